"""videonet info: parameters and multiply-adds of a network, without building its weights."""

from __future__ import annotations

import argparse
import json

EXAMPLES = {
    "info": "examples:\n  videonet info slowfast_8x8_r50\n  videonet info 'resnet*' --json\n"
    "  videonet info --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml --size 256"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """NAME or --cfg FILE."""
    parser.add_argument("name", nargs="?", help="a network's name, or a pattern such as 'sknet*'")
    parser.add_argument("--cfg", metavar="FILE", help="a config in place of a name")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="side of the input; default: as published")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="override keys of the config")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    from videonet import build, networks
    from videonet.cli.configs import load_config

    if args.cfg:
        overrides = [args.name, *args.overrides] if args.name else args.overrides
        rows = [build.describe_config(load_config(args.cfg, overrides), args.size)]
    elif args.name:
        names = networks.list_models(args.name) or [args.name]
        rows = [networks.describe(name, args.size) for name in names]
    else:
        raise ValueError("info needs a NAME or --cfg FILE; `videonet info '*'` shows every network")
    if args.json:
        print(json.dumps(rows[0] if len(rows) == 1 else rows, indent=1))
    else:
        print("\n\n".join(map(table, rows)))
    return 0


def table(row: dict) -> str:
    """One network for people: totals, then a line a stage."""
    size = " x ".join(map(str, row["input"])) + (" with one box" if row.get("boxes") else "")
    lines = [f"{row['name']}: {row['params']:,} parameters, {row['gmacs']:.3f} GMACs (conv + linear) at {size}"]
    lines += [f"  {s['name']:<22}{s['params']:>14,}{s['gmacs']:>10.3f}" for s in row["stages"]]
    return "\n".join(lines)
