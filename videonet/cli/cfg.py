"""videonet cfg: keys, explain, diff."""

from __future__ import annotations

import argparse
import inspect
import json
import math
from bisect import bisect_left
from typing import Any

EXAMPLES = {
    "cfg": "examples:\n  videonet cfg keys MODEL\n  videonet cfg keys MODEL.NAME=slowfast\n"
    "  videonet cfg explain configs/Kinetics/SLOWFAST_8x8_R50.yaml --clips 240000\n  videonet cfg diff A.yaml B.yaml"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """keys [PREFIX] | explain FILE | diff A B."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="keys|explain|diff")
    keys = verbs.add_parser("keys", help="every key with its default and meaning")
    keys.add_argument(
        "prefix", nargs="?", default="", help="SECTION, SECTION.KEY, or SECTION.NAME=name for a call's keys"
    )
    keys.add_argument("--json", action="store_true", help="print JSON")
    keys.set_defaults(run=run_keys)
    explain = verbs.add_parser("explain", help="what a config means in batches, steps, frames and seconds")
    explain.add_argument("cfg", metavar="FILE")
    explain.add_argument("--processes", type=int, default=1, help="processes (GPUs) that it would run on")
    explain.add_argument("--clips", type=int, default=0, help="training videos; default: counted from the list")
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.add_argument("overrides", nargs="*", metavar="KEY VALUE")
    explain.set_defaults(run=run_explain)
    diff = verbs.add_parser("diff", help="keys in which two configs differ")
    diff.add_argument("a", metavar="A")
    diff.add_argument("b", metavar="B")
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(run=run_diff)


def run_keys(args: argparse.Namespace) -> int:
    """Print the run-level keys that start with the prefix, or the keys of one call."""
    from videonet.build import tables_of
    from videonet.config import schema
    from videonet.defaults import CALLS, KEYS
    from videonet.suggest import suggest

    place, _, name = args.prefix.partition("=")
    section = place.partition(".")[0]
    if name or place in CALLS:
        table = tables_of({"MODEL": name if section == "MODEL" else ""})[section] if section in CALLS else {}
        if name and name not in table:
            raise ValueError(f"{section}.NAME is {name!r}, which is unknown{suggest(name, table)}")
        rows = [r for r in _rows(KEYS) if r["key"].startswith(f"{section}.")]
        if name:
            given = schema(table[name], CALLS[section]).items()
            rows = [{"key": f"{section}.{k}", "default": _default(p), "meaning": str(p.annotation)} for k, p in given]
        else:
            rows += [{"key": f"{section}.NAME={n}", "default": "", "meaning": _first_line(f)} for n, f in table.items()]
    else:
        rows = [r for r in _rows(KEYS) if r["key"].startswith(args.prefix)]
        if not rows:
            raise ValueError(f"no key starts with {args.prefix!r}{suggest(args.prefix, KEYS)}")
    if args.json:
        print(json.dumps(rows, indent=1, default=str))
    else:
        print("\n".join(f"{r['key']:<40} {r['default']!s:<24} {r['meaning']}" for r in rows))
    return 0


def _rows(keys: dict) -> list[dict]:
    return [{"key": key, "default": default, "meaning": meaning} for key, (default, meaning) in keys.items()]


def _default(parameter: inspect.Parameter) -> object:
    return "(must be given)" if parameter.default is parameter.empty else parameter.default


def _first_line(function: object) -> str:
    function = getattr(function, "func", function)
    return (inspect.getdoc(function) or "").partition("\n")[0]


def run_explain(args: argparse.Namespace) -> int:
    """Print the arithmetic of a config."""
    from videonet.cli.configs import load_config

    facts = explain(load_config(args.cfg, args.overrides), processes=args.processes, clips=args.clips)
    print(json.dumps(facts, indent=1) if args.json else "\n".join(f"{k:<28} {v}" for k, v in facts.items()))
    return 0


def explain(cfg: Any, *, processes: int = 1, clips: int = 0) -> dict[str, object]:
    """The arithmetic of a config in numbers: batches, steps, learning rates, frames and seconds of a clip."""
    from videonet import build
    from videonet.engine.multigrid import Multigrid

    clips = clips or len(build.build_split(cfg, "train"))
    if cfg.TRAIN.BATCH_SIZE % processes:
        raise ValueError(f"TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE} does not divide by {processes} processes")
    schedule = build.build_schedule(cfg, build.steps_per_epoch(cfg, clips))
    part = cfg.TRAIN.BATCH_SIZE // processes
    forward = math.ceil(part / cfg.TRAIN.ACCUMULATE)
    warmup = bisect_left(range(schedule.steps), cfg.SOLVER.WARMUP_EPOCHS, key=schedule.epoch)
    span = cfg.DATA.NUM_FRAMES * cfg.DATA.SAMPLING_RATE
    if isinstance(schedule, Multigrid):
        course = {f"phase {number}": line for number, line in enumerate(schedule.describe(), 1)}
    else:
        per_epoch = schedule.steps_per_epoch
        course = {f"lr at epoch {e:g}": schedule.lr(round(e * per_epoch)) for e in lr_epochs(cfg)}
    return {
        "global batch": cfg.TRAIN.BATCH_SIZE,
        "processes": processes,
        "clips per process and step": part,
        "clips per forward pass": forward,
        "clips behind a norm's statistics": math.ceil(forward / norm_parts(cfg, forward)),
        "training videos": clips,
        "steps per epoch": round(schedule.steps_per_epoch),
        "epochs": schedule.epochs,
        "steps": schedule.steps,
        "warm-up steps": warmup,
        **course,
        "frames of a clip": cfg.DATA.NUM_FRAMES,
        "span of a clip in frames": f"{span} at {cfg.DATA.TARGET_FPS:g} fps",
        "span of a clip in seconds": round(span / cfg.DATA.TARGET_FPS, 3) if cfg.DATA.TARGET_FPS else None,
        "training crop": cfg.DATA.TRAIN_CROP_SIZE,
        "test clips of a video": cfg.TEST.NUM_ENSEMBLE_VIEWS,
        "test crops of a clip": f"{cfg.TEST.NUM_SPATIAL_CROPS} of {cfg.DATA.TEST_CROP_SIZE}",
    }


def norm_parts(cfg: Any, clips: int) -> int:
    """Parts of a forward pass with statistics of their own."""
    from videonet.build import is_multigrid
    from videonet.layers.norm import parts_of

    based = is_multigrid(cfg) and cfg.BN.MODE not in ("frozen", "sync") and cfg.MULTIGRID.BN_BASE_SIZE
    return parts_of(clips, based) if based else cfg.BN.NUM_SPLITS


def lr_epochs(cfg: Any) -> list[float]:
    """Epochs at which `explain` tells the learning rate."""
    end = cfg.SOLVER.MAX_EPOCH
    return sorted({0, float(cfg.SOLVER.WARMUP_EPOCHS), end / 4, end / 2, 3 * end / 4})


def run_diff(args: argparse.Namespace) -> int:
    """Print the keys in which the configs differ."""
    from videonet.cli.configs import load_config
    from videonet.config import flat

    a, b = flat(load_config(args.a)), flat(load_config(args.b))
    rows = {k: [a.get(k), b.get(k)] for k in {**a, **b} if a.get(k) != b.get(k)}
    print(json.dumps(rows, indent=1) if args.json else "\n".join(f"{k}: {x!r} -> {y!r}" for k, (x, y) in rows.items()))
    return 0
