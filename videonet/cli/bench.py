"""videonet bench: measured speed, of networks (bench_model.py), reading (bench_data.py) and metrics (bench_eval.py)."""

from __future__ import annotations

import argparse
from importlib import import_module

EXAMPLES = {
    "bench": "examples:\n  videonet bench model slowfast_8x8_r50 --batch 1\n"
    "  videonet bench model --cfg configs/Demo/SLOWFAST_DEMO.yaml --json\n"
    "  videonet bench model --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml --find-batch\n"
    "  videonet bench data --cfg configs/Demo/SLOWFAST_DEMO.yaml --workers 0,1,2\n"
    "  videonet bench eval --share 0.1"
}
# what -> (file in videonet.cli, what it does)
KINDS = {
    "model": ("bench_model", "a network: clips a second, memory, stages, slowest layers"),
    "data": ("bench_data", "reading: videos a second by workers, stages, what training takes, other libraries"),
    "eval": ("bench_eval", "metrics on sets as large as the public ones: seconds, memory, other libraries"),
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """One parser for each kind, filled by its file."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="|".join(KINDS))
    for name, (file, help_) in KINDS.items():
        module = import_module(f"videonet.cli.{file}")
        kind = kinds.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        module.arguments(kind)
        kind.set_defaults(run=module.run)
