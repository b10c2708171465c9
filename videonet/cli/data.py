"""videonet data: make, check and look at data."""

from __future__ import annotations

import argparse

EXAMPLES = {"data": "example:\n  videonet data demo --out data/demo"}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """demo ..."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    demo = verbs.add_parser("demo", help="write the demo: small H.264 files of eight motions, lists and class names")
    demo.add_argument("--out", required=True, metavar="DIR", help="folder to write; done before, it is left alone")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--train", type=int, default=640, help="clips to train on")
    demo.add_argument("--val", type=int, default=160, help="clips to validate and test on")
    demo.add_argument("--size", type=int, default=80, help="pixels of a side")
    demo.set_defaults(run=run_demo)


def run_demo(args: argparse.Namespace) -> int:
    """Write the demo clips."""
    from videonet.data.demo import write_demo

    new = write_demo(args.out, args.seed, train=args.train, val=args.val, size=args.size)
    print(f"{args.out}: {args.train} clips to train on, {args.val} to test on{'' if new else ' (were there already)'}")
    return 0
