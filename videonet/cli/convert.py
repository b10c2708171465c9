"""videonet convert: weights or configs of another source as ours, with a report of what became of everything."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videonet.cli.trained import add_network

if TYPE_CHECKING:
    from videonet.inference import Trained

EXAMPLES = {
    "convert": "examples:\n  videonet convert SLOWFAST.pyth out.pt --model slowfast_8x8_r50 --classes names.txt\n"
    "  videonet convert ircsn_ig65m.pth csn.pt --model ir_csn_152 --mean 0.432 0.395 0.376 --std 0.228 0.221 0.217\n"
    "  videonet convert mine.pyth mine.pt --cfg mine.yaml\n"
    "  videonet convert configs/Kinetics/c2/SLOWFAST_8x8_R50.yaml slowfast.yaml   (a PySlowFast config)"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """IN OUT --model NAME | --cfg FILE."""
    parser.add_argument("source", metavar="IN", help="weights of PySlowFast, pytorchvideo, mmaction2 ..., or a YAML")
    parser.add_argument("out", metavar="OUT", help="the videonet checkpoint, or YAML, to write")
    for name in ("mean", "std"):
        text = f"{name} of red, green, blue in 0..1 that the weights were trained with; default: the source's"
        parser.add_argument(f"--{name}", type=float, nargs=3, metavar="X", help=text)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_network(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write OUT and print the report."""
    source, out = Path(args.source), Path(args.out)
    if source.resolve() == out.resolve():
        raise ValueError(f"{out} is the file to convert; write into another one")
    out.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in (".yaml", ".yml"):
        return convert_config(source, out, args.json)
    from videonet.cli.configs import load_config
    from videonet.engine.checkpoint import write_whole
    from videonet.inference import open_trained

    pixels = {"DATA.MEAN": args.mean, "DATA.STD": args.std}
    given = [word for key, value in pixels.items() if value for word in (key, value)]
    given += args.opts
    cfg = load_config(args.cfg, given) if args.cfg else None
    trained = open_trained(source, name=args.model, cfg=cfg, classes=args.classes, overrides=given, device="cpu")
    write_whole(out, packed(trained))
    said = report(trained, str(out))
    print(json.dumps(said, indent=1) if args.json else f"{trained.report}\n" + "\n".join(said["lines"]))
    return 0


def packed(trained: Trained) -> bytes:
    """The file of a checkpoint at step 0: weights, class names, normalisation and config."""
    import torch

    from videonet import config
    from videonet.engine.state import FORMAT

    content = {
        "format": FORMAT,
        "step": 0,
        "model": trained.model.state_dict(),
        **{"optimizer": {}, "scaler": {}, "ema": None, "seed": 0, "metric": {}, "best": None, "best_step": None},
        "classes": list(trained.classes),
        "mean": list(trained.cfg.DATA.MEAN),
        "std": list(trained.cfg.DATA.STD),
        "config": config.dump(trained.cfg),
        "source": trained.report.source,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def report(trained: Trained, out: str) -> dict[str, Any]:
    """What was written, for JSON; `lines` say it to people."""
    data, found = trained.cfg.DATA, trained.report
    known = {name: list(found.facts[name]) for name in ("mean", "std") if name in found.facts}
    names = f"{len(trained.classes)} class names" if trained.classes else "no class names (give them by --classes)"
    lines = [f"{out}: {trained.cfg.MODEL.NAME}, {names}, mean {list(data.MEAN)}, std {list(data.STD)}"]
    if known and (known["mean"], known["std"]) != (list(data.MEAN), list(data.STD)):
        lines.append(f"note: {found.source} is known for mean {known['mean']}, std {known['std']}")
    return {
        "out": out,
        "source": found.source,
        "network": trained.cfg.MODEL.NAME,
        "classes": len(trained.classes),
        "mean": list(data.MEAN),
        "std": list(data.STD),
        "loaded": len(found.loaded),
        "reshaped": found.reshaped,
        "missing": found.missing,
        "left_out": found.left_out,
        "renamed": found.renamed,
        "note": found.note,
        "lines": lines,
    }


def convert_config(source: Path, out: Path, as_json: bool) -> int:
    """A PySlowFast YAML, with its bases, as one YAML of ours."""
    import yaml

    from videonet import build, config
    from videonet.cli.translate import is_pyslowfast, translate, translate_sources
    from videonet.source import read_sources

    sources = read_sources(source)
    merged: dict[str, Any] = {}
    for one in sources:
        merged |= one
    if not is_pyslowfast(merged):
        raise ValueError(f"{source} is no PySlowFast config; one of ours needs no conversion")
    ours, warnings = translate(merged)
    config.assemble([translate_sources(sources)[0]], build.tables_of)
    head = f"# translated from PySlowFast's {source.name}\n" + "".join(f"# note: {text}\n" for text in warnings)
    out.write_text(head + yaml.safe_dump(ours, sort_keys=False, default_flow_style=None, width=120), encoding="utf-8")
    if as_json:
        print(json.dumps({"out": str(out), "network": ours["MODEL"]["NAME"], "notes": warnings}, indent=1))
        return 0
    for text in warnings:
        print(f"note: {text}", file=sys.stderr)
    print(f"{out}: {ours['MODEL']['NAME']}, {len(merged)} keys translated, {len(warnings)} notes")
    return 0
