#!/usr/bin/env python3
"""Runs the rows of rows.yaml that have no result yet, one after the other, and writes the tables of README.md.

python projects/image/measure.py [TABLE ...] [--lists]     TABLE: a key of rows.yaml; all without one
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import mean

import numpy as np
import yaml

from videonet import build
from videonet.data.imagenet import read_images

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
FASHION = Path("/usr/share/datasets/fashion-mnist")
CLASSES = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
LISTS = {"output/fashion": 1200, "output/fashion_4000": 400}  # folder: training images of each class
HEAD = (
    "| config and overrides | parameters | MMACs | test accuracy | training error | seed |\n|---|---|---|---|---|---|\n"
)


def main() -> None:
    """Write the lists, run what is missing, write the tables; with --lists the lists alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="tables to run (all)")
    parser.add_argument("--lists", action="store_true", help="only write the lists of images")
    args = parser.parse_args()
    for folder, per_class in LISTS.items():
        write_lists(ROOT / folder, FASHION, per_class)
    if args.lists:
        return
    tables = yaml.safe_load((FOLDER / "rows.yaml").read_text())
    for name in args.tables or tables:
        for row in tables[name]:
            if not (ROOT / folder_of(row) / "result.json").is_file():
                print(f"{name}: {row}", flush=True)
                subprocess.run(command(row), cwd=ROOT, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
            write_tables(tables)


def write_lists(folder: Path, source: Path, per_class: int) -> None:
    """train.csv with the first `per_class` images of each class, val.csv with all test images, classes.txt."""
    if not source.is_dir():
        raise SystemExit(f"{source} is missing: apt-get install dataset-fashion-mnist, or change FASHION in measure.py")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for split, most in (("train", per_class), ("val", None)):
        records = read_images(source, split)
        labels = records.labels.numpy()
        rows = np.sort(np.concatenate([np.flatnonzero(labels == label)[:most] for label in range(len(CLASSES))]))
        lines = (f"{Path(records[row].path).name} {labels[row]}\n" for row in rows.tolist())
        (folder / f"{split}.csv").write_text("".join(lines))


def folder_of(row: str) -> str:
    """Where a row's run leaves its files: output/image/ and the row, written as a name."""
    return "output/image/" + re.sub(r"[^\w.]+", "-", row.replace(".yaml", ""))


def command(row: str) -> list[str]:
    """The command of a row."""
    config, *overrides = row.split()
    path = str(Path("projects/image") / config)
    return [sys.executable, "tools/run_net.py", "--cfg", path, *overrides, "OUTPUT_DIR", folder_of(row)]


def measured(row: str, root: Path = ROOT) -> dict | None:
    """What a row's run found: params, mmacs, top1 (of the test) and err (of training, last epoch) in percent, seed."""
    folder = root / folder_of(row)
    if not (folder / "result.json").is_file():
        return None
    config, *overrides = row.split()
    cfg = build.load_config(FOLDER / config, overrides)
    network = build.describe_config(cfg)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    last = [x["top1_err"] for x in lines if x["split"] == "train" and x["epoch"] > cfg.SOLVER.MAX_EPOCH - 1]
    top1 = json.loads((folder / "result.json").read_text())["metric"]["top1"]
    size = {"params": network["params"], "mmacs": 1000 * network["gmacs"]}
    return {**size, "top1": top1, "err": mean(last), "seed": cfg.SEED}


def line_of(row: str, found: dict) -> str:
    """A row of a table."""
    figures = f"{found['params']:,} | {found['mmacs']:.1f} | {found['top1']:.2f} | {found['err']:.2f} | {found['seed']}"
    return f"| `{row}` | {figures} |\n"


def write_tables(tables: dict[str, list[str]], root: Path = ROOT, readme: Path = FOLDER / "README.md") -> None:
    """Put the measured rows of every table between its marks in the README."""
    text = readme.read_text()
    for name, rows in tables.items():
        lines = [line_of(row, found) for row in rows if (found := measured(row, root))]
        text = fill(text, name, HEAD + "".join(lines))
    readme.write_text(text)


def fill(text: str, name: str, table: str) -> str:
    """The text with the table between `<!-- NAME -->` and the next `<!-- end -->`."""
    start, end = f"<!-- {name} -->\n", "<!-- end -->"
    if start not in text or end not in text.partition(start)[2]:
        raise SystemExit(f"README.md has no marks {start.strip()} ... {end} for the table {name}")
    before, _, rest = text.partition(start)
    return before + start + table + end + rest.partition(end)[2]


if __name__ == "__main__":
    main()
