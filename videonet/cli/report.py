"""videonet report: what a test says of each class, and in which fields two results differ."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXAMPLES = {
    "report": "examples:\n  videonet report output/demo\n  videonet report output/demo --json\n"
    "  videonet report diff output/a output/b/result.json"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """DIR | diff A B."""
    parser.usage = "videonet report [-h] [--json] DIR | diff A B"
    parser.add_argument(
        "words",
        nargs="+",
        metavar="DIR | diff A B",
        help="a run's folder: its predictions.csv as per_class.csv and confusion.png; diff: two runs' result.json",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table of a run, or the fields in which two differ."""
    if args.words[0] == "diff":
        if len(args.words) != 3:
            raise ValueError("report diff takes two result.json files, or the folders that they are in")
        rows = differences(*map(read_result, args.words[1:]))
        lines = [f"{key}: {a!r} -> {b!r}" for key, (a, b) in rows.items()] or ["the results are equal"]
        print(json.dumps(rows, indent=1) if args.json else "\n".join(lines))
        return 0
    if len(args.words) != 1:
        raise ValueError(f"report takes one folder, got {len(args.words)}: {' '.join(args.words)}")
    from videonet.report import write_report

    folder = Path(args.words[0])
    summary = write_report(folder.parent if folder.name == "predictions.csv" else folder)
    if args.json:
        counts = {"counts": summary["counts"].tolist()} if "counts" in summary else {}
        print(json.dumps(summary | counts))
    else:
        print(label_table(summary) if "mAP" in summary else table(summary))
    return 0


def label_table(summary: Mapping[str, Any]) -> str:
    """A line a class of clips with several labels, the worst first, then the mean."""
    rows = sorted(summary["per_class"], key=lambda row: (row["ap"] is None, row["ap"], row["label"]))
    lines = [f"{'AP':>7} {'clips':>6}  class"]
    lines += [f"{percent(row['ap'])} {row['clips']:6}  {row['name']}" for row in rows]
    return "\n".join([*lines, f"mAP {percent(summary['mAP']).strip()} % of {summary['clips']} clips"])


def percent(share: float | None) -> str:
    """A share in percent, - of none."""
    return "      -" if share is None else f"{100 * share:7.2f}"


def table(summary: Mapping[str, Any]) -> str:
    """A line a class, the worst first, then the totals."""
    lines = [f"{'top1':>7} {'top5':>7} {'clips':>6} {'predicted':>9}  class (most often taken for)"]
    for row in sorted(summary["per_class"], key=lambda row: (row["top1"], row["label"])):
        taken = f" ({row['most_confused_with']})" if row["most_confused_with"] else ""
        numbers = f"{row['top1']:7.2f} {row['top5']:7.2f} {row['clips']:6} {row['predicted']:9}"
        lines.append(f"{numbers}  {row['name']}{taken}")
    lines.append(f"top1 {summary['top1']:.2f} %, top5 {summary['top5']:.2f} % of {summary['clips']} clips")
    return "\n".join(lines)


def read_result(path: str) -> dict[str, Any]:
    """The fields of a result.json, nested ones with dots."""
    file = Path(path) / "result.json" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file; a test writes result.json into OUTPUT_DIR")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file}: this is no result.json; it holds a {type(content).__name__}")
    return flat(content)


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list]:
    """The fields whose values differ, each with both of them (None where one has no such field)."""
    return {key: [a.get(key), b.get(key)] for key in {**a, **b} if a.get(key) != b.get(key)}
