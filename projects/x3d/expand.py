#!/usr/bin/env python3
"""X3D's progressive expansion on the data of a config (Feichtenhofer 2020, arXiv 2004.04730, section 3.2):
`python projects/x3d/expand.py --cfg projects/x3d/demo.yaml --target-gmacs 0.01 --steps 6 [--epochs E] [KEY VALUE ...]`.

The config is the base network, X2D. Each candidate is trained and tested in its own folder in OUTPUT_DIR/candidates;
started again, the program goes on where it stopped. OUTPUT_DIR/path.jsonl and path.png hold the result.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from expansion import Factors, Step, search
from expansion_path import write_path
from fvcore.common.config import CfgNode

from videonet import build, config, distributed, run
from videonet.cli.main import guard, parse
from videonet.cli.train import add_config

FREE = ("OUTPUT_DIR", "DEVICE", "LOG_PERIOD", "TENSORBOARD", "DATA_LOADER.NUM_WORKERS", "DATA_LOADER.TIMEOUT")


class Candidates:
    """The networks of an expansion as runs of the library.

    path, overrides: the config of the base network; its MODEL takes width, bottleneck and depth.
    """

    def __init__(self, path: str | Path, overrides: Sequence[Any] = ()) -> None:
        self.path, self.overrides = path, list(overrides)
        self.base = build.load_config(path, overrides)
        missing = [key for key in ("WIDTH", "BOTTLENECK", "DEPTH") if key not in self.base.MODEL]
        if missing:
            name = self.base.MODEL.NAME
            raise ValueError(f"{path}: MODEL.NAME is {name}, which has no {missing[0]} to expand; give x3d")
        self.classes = self.base.MODEL.NUM_CLASSES or build.build_split(self.base, "train").num_classes
        self.metric = build.watched_figure(build.build_task(self.base))
        self.measure = cache(self._measure)

    def start(self) -> Factors:
        """The factors of the base network."""
        model, data = self.base.MODEL, self.base.DATA
        clip = data.NUM_FRAMES, data.SAMPLING_RATE, data.TRAIN_CROP_SIZE
        return Factors(*clip, model.WIDTH, model.BOTTLENECK, model.DEPTH)

    def config(self, factors: Factors) -> CfgNode:
        """The config of a candidate: test crop and scale jitter grow with the training crop."""
        data, by = self.base.DATA, factors.size / self.base.DATA.TRAIN_CROP_SIZE
        keys = {
            "MODEL.NUM_CLASSES": self.classes,
            "MODEL.WIDTH": factors.width,
            "MODEL.BOTTLENECK": factors.bottleneck,
            "MODEL.DEPTH": factors.depth,
            "DATA.NUM_FRAMES": factors.frames,
            "DATA.SAMPLING_RATE": factors.rate,
            "DATA.TRAIN_CROP_SIZE": factors.size,
            "DATA.TEST_CROP_SIZE": round(data.TEST_CROP_SIZE * by),
            "DATA.TRAIN_JITTER_SCALES": [round(side * by) for side in data.TRAIN_JITTER_SCALES],
            "OUTPUT_DIR": str(Path(self.base.OUTPUT_DIR) / "candidates" / factors.name),
        }
        return build.load_config(self.path, [*self.overrides, *(part for pair in keys.items() for part in pair)])

    def _measure(self, factors: Factors) -> tuple[int, float]:
        """Parameters and GMACs of a candidate for one clip at its test crop."""
        found = build.describe_config(self.config(factors))
        return found["params"], found["gmacs"]

    def train(self, factors: Factors) -> float:
        """The score of a candidate, which is trained and tested unless that was done before."""
        cfg = self.config(factors)
        result = Path(cfg.OUTPUT_DIR) / "result.json"
        refuse_another_recipe(cfg)
        if not result.is_file():
            say(f"\n{factors.name}: {self.measure(factors)[1]:.4g} GMACs")
            if not run.train(cfg):
                raise KeyboardInterrupt
            return run.test(cfg)["metric"][self.metric]
        return json.loads(result.read_text())["metric"][self.metric]


def refuse_another_recipe(cfg: CfgNode) -> None:
    """ValueError where the candidate's folder holds a run of another config."""
    saved = Path(cfg.OUTPUT_DIR) / "config.yaml"
    if not saved.is_file():
        return
    then, now = config.flat(build.load_config(saved)), config.flat(cfg)
    for key in now:
        if key not in FREE and then.get(key) != now[key]:
            raise ValueError(f"{saved}: {key} was {then.get(key)!r}, now it is {now[key]!r}: give another OUTPUT_DIR")


def say(text: str) -> None:
    """A line for the reader, by the main process."""
    if distributed.is_main():
        print(text, flush=True)


def describe(step: Step, metric: str) -> str:
    """What a step tried and kept, a line each."""
    lines = [f"\nstep {step.number} ({step.kind})"]
    for trial in step.trials:
        mark = "->" if trial is step.kept else "  "
        size = f"{trial.params / 1e6:.3f} M  {trial.gmacs:.4g} GMACs"
        lines.append(f"{mark} {trial.axis or 'base':10}  {trial.factors.name:28}  {size}  {metric} {trial.score:.4g}")
    return "\n".join(lines)


def expand(found: Candidates, target: float, steps: int) -> list[Step]:
    """Search, and write the path after every step."""
    path = []
    for step in search(found.start(), found.measure, found.train, target=target, steps=steps):
        path.append(step)
        say(describe(step, found.metric))
        if distributed.is_main():
            write_path(path, found.metric, Path(found.base.OUTPUT_DIR))
    if path[-1].kept.gmacs < target and path[-1].kind != "backward":
        say(f"\n{steps} steps ended below the target of {target:g} GMACs; more steps go on from here")
    return path


def work(args: argparse.Namespace) -> int:
    """The whole program in as many processes as torchrun or Slurm started."""
    say(distributed.init())
    try:
        epochs = ["SOLVER.MAX_EPOCH", args.epochs] if args.epochs else []
        expand(Candidates(args.cfg, [*args.overrides, *epochs]), args.target_gmacs, args.steps)
    finally:
        distributed.shutdown()
    return 0


def main() -> int:
    """Read the command line and expand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument("--target-gmacs", type=float, required=True, metavar="X", help="multiply-adds to end at, 1e9")
    parser.add_argument("--steps", type=int, default=12, metavar="N", help="forward steps at most")
    parser.add_argument("--epochs", type=int, metavar="E", help="of every candidate, in place of SOLVER.MAX_EPOCH")
    args = parse(parser)
    return guard(lambda: work(args))


if __name__ == "__main__":
    sys.exit(main())
