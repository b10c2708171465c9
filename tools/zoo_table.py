"""Rows of MODEL_ZOO.md: name, parameters, multiply-adds at an input and, with --time, seconds beside slow_8x8_r50.

python tools/zoo_table.py --time 'x3d_*'
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from videonet.networks import create, describe, list_models

BESIDE = "slow_8x8_r50"


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="*", help="names, for example 'x3d_*' (all)")
    parser.add_argument("--time", action="store_true", help="measure a clip on one thread, in turns with slow_8x8_r50")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="turns to take the medians of (3)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in list_models(args.pattern):
        found = describe(name)
        cells = [name, f"{found['params']:,}", f"{found['gmacs']:.3f}", " x ".join(map(str, found["input"][1:]))]
        if args.time:
            cells.append(f"{times_beside(name, args.repeats):.2f}")
        print(f"| {' | '.join(cells)} |", flush=True)


def times_beside(name: str, repeats: int) -> float:
    """Processor time of a pass of one clip, divided by that of slow_8x8_r50 in turns with it."""
    passes = [inference(BESIDE), inference(name)]
    spent = [[run() for run in passes] for _ in range(repeats)]  # the median leaves the cold turn out
    beside, own = (statistics.median(column) for column in zip(*spent))
    return own / beside


def inference(name: str) -> Callable[[], float]:
    """A function that runs one random input through the network and gives the processor time of it."""
    size = describe(name)["input"]
    layout = torch.channels_last_3d if len(size) == 4 else torch.channels_last
    model = create(name).eval().to(memory_format=layout)
    x = torch.randn(1, *size).to(memory_format=layout)

    @torch.no_grad()
    def run() -> float:
        start = time.process_time()
        model(x)
        return time.process_time() - start

    return run


if __name__ == "__main__":
    main()
