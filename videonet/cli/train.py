"""videonet train / test: the whole work is in videonet.run."""

from __future__ import annotations

import argparse
import signal

EXAMPLES = {
    "train": "example:\n  videonet train --cfg configs/Demo/SLOWFAST_DEMO.yaml SOLVER.MAX_EPOCH 2",
    "test": "example:\n  videonet test --cfg configs/Demo/SLOWFAST_DEMO.yaml TEST.NUM_ENSEMBLE_VIEWS 2",
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """--cfg FILE and KEY VALUE pairs."""
    add_config(parser)
    parser.set_defaults(run=lambda args: run(args, verb))


def add_config(parser: argparse.ArgumentParser) -> None:
    """The arguments of every verb that takes a config."""
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML config, ours or PySlowFast's")
    parser.add_argument("--opts", action="store_true", help="may stand before the KEY VALUE pairs; changes nothing")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="override keys of the config")


def run(args: argparse.Namespace, verb: str) -> int:
    """Load the config and run the one half of it."""
    from videonet.cli.configs import load_config
    from videonet.run import run as run_config

    only = {"train": ["TRAIN.ENABLE", True, "TEST.ENABLE", False], "test": ["TRAIN.ENABLE", False, "TEST.ENABLE", True]}
    return exit_code(run_config(load_config(args.cfg, [*args.overrides, *only[verb]])))


def exit_code(finished: bool) -> int:
    """0, or that of a process that SIGTERM ended: a run that was asked to stop is not done."""
    return 0 if finished else 128 + signal.SIGTERM
