"""The arguments of every verb that uses a trained network, and the network that they mean."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from videonet.inference import Trained


def add_trained(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """--checkpoint F, what it needs if it is another source's, and where it runs."""
    group = add_network(parser)
    group.add_argument("--checkpoint", required=required, metavar="F", help="weights: a videonet checkpoint or another")
    group.add_argument("--device", default="", help="auto, cpu, cuda or mps; default: as the config says")


def add_network(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Which network the weights of another source are of, and the names of their classes."""
    group = parser.add_argument_group("the network")
    group.add_argument("--model", default="", metavar="NAME", help="the network of weights that are not videonet's")
    group.add_argument("--cfg", default="", metavar="FILE", help="a config in place of a name or of the checkpoint's")
    group.add_argument(
        "--classes", default="", metavar="FILE", help="class names, one a line, if the weights have none"
    )
    group.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE", help="override keys of the config")
    return group


def open_from(args: argparse.Namespace) -> Trained:
    """The network of these arguments with its weights, or as it is built where no checkpoint is given."""
    from videonet.cli.configs import load_config
    from videonet.inference import open_fresh, open_trained

    cfg = load_config(args.cfg, args.opts) if args.cfg else None
    if not args.checkpoint:
        if not (args.model or args.cfg):
            raise ValueError("say which network: --checkpoint F, --model NAME or --cfg FILE")
        return open_fresh(name=args.model, cfg=cfg, overrides=args.opts, device=args.device)
    return open_trained(
        args.checkpoint,
        name=args.model,
        cfg=cfg,
        classes=args.classes,
        overrides=args.opts,
        device=args.device,
    )


def add_spans(parser: argparse.ArgumentParser) -> None:
    """--window S --stride S."""
    parser.add_argument("--window", type=float, metavar="S", help="seconds of a row; default: one clip of the network")
    parser.add_argument("--stride", type=float, metavar="S", help="seconds from row to row; default: the window")


def seconds_of(args: argparse.Namespace, trained: Trained) -> tuple[float, float]:
    """(window, stride) in seconds."""
    window = trained.seconds if args.window is None else args.window
    stride = window if args.stride is None else args.stride
    for name, value in (("--window", window), ("--stride", stride)):
        if not value > 0:
            raise ValueError(f"{name} is {value:g}; it must be seconds above 0")
    return window, stride
