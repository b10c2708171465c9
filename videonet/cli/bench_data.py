"""videonet bench data: how fast clips are read, what the time goes into, and whether training has to wait for them."""

from __future__ import annotations

import argparse
import json
import math
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fvcore.common.config import CfgNode

    from videonet.data.box_split import BoxSplit
    from videonet.data.clips import TrainClips, ViewClips
    from videonet.data.loader import TrainLoader
    from videonet.data.split import Split

ENOUGH = 1.1  # times what training takes: then it does not wait
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".3gp", ".flv", ".ts")
CURES = {
    "demux": "write smaller copies with `videonet data resize`",
    "decode": "write copies that decode faster with `videonet data resize`",
    "convert": "write smaller copies with `videonet data resize`",
    "augment": "leave out the dearest of AUG",
    "copy": "use a GPU, which copies and normalises by the way",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """--cfg FILE."""
    parser.add_argument("--cfg", required=True, metavar="FILE", help="the config whose training list is read")
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE", help="override keys of the config")
    parser.add_argument("--workers", default="0,1,2", metavar="N,N", help="numbers of workers to measure (0,1,2)")
    parser.add_argument("--seconds", type=float, default=5, help="to measure each number of workers for (5)")
    parser.add_argument(
        "--files", type=int, default=6, metavar="N", help="videos that peers read, too; 0: no peers (6)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often every peer reads each (3)")
    parser.add_argument("--views", action="store_true", help="peers also read all test views of two videos")
    parser.add_argument(
        "--batch", type=int, default=0, metavar="N", help="of the network; default: as trained, 2 on CPU"
    )
    parser.add_argument("--no-model", action="store_true", help="do not measure what the network takes")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    result = measure(args)
    print(json.dumps(result, indent=1) if args.json else table(result))
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    from videonet import build
    from videonet.cli.configs import load_config

    counts = numbers(args.workers)
    if args.seconds <= 0 or args.rounds < 1 or args.files < 0:
        raise ValueError("--seconds must be above 0, --rounds at least 1, --files at least 0")
    cfg = load_config(args.cfg, args.opts)
    split = build.build_split(cfg, "train")
    build.steps_per_epoch(cfg, len(split))
    result: dict[str, Any] = {"list": split.source, "rows": len(split), "cores": cores()}
    result["stages"] = stages(loader(args, split, 0), cfg)
    result["workers"] = {count: speed(loader(args, split, count), args.seconds) for count in counts}
    if not args.no_model:
        result["model"] = needed(load_config(args.cfg, [*args.opts, *classes(cfg, split)]), args.batch)
    if args.files:
        result["peers"] = beside(loader(args, split, 0).dataset, args.files, args.rounds)
    if args.files and args.views:
        result["peers_views"] = beside(build.build_eval_loader(cfg, split, views=True).dataset, min(args.files, 2), 1)
    return {**result, "advice": advice(result)}


def numbers(text: str) -> list[int]:
    """Numbers of workers from "0,1,2"."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise ValueError(f"--workers is {text!r}; it must be numbers with commas between, such as 0,1,2")
    return sorted({int(part) for part in parts})


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def classes(cfg: CfgNode, split: Split | BoxSplit) -> list[Any]:
    """The override that gives the network the classes of the list, where the config leaves them to it."""
    return [] if cfg.MODEL.NUM_CLASSES else ["MODEL.NUM_CLASSES", split.num_classes]


def loader(args: argparse.Namespace, split: Split | BoxSplit, workers: int) -> TrainLoader:
    """The training loader of the config with that many workers."""
    from videonet import build
    from videonet.cli.configs import load_config

    return build.build_train_loader(load_config(args.cfg, [*args.opts, "DATA_LOADER.NUM_WORKERS", workers]), split)


def stages(alone: TrainLoader, cfg: CfgNode) -> dict[str, float]:
    """CPU milliseconds a video by stage."""
    import torch

    from videonet import build, distributed
    from videonet.data import stages

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    prepare = build.build_prepare(cfg, distributed.device(cfg.DEVICE), build.build_task(cfg))
    found = stages.stages(alone, prepare, batches=max(1, 32 // cfg.TRAIN.BATCH_SIZE))
    torch.set_num_threads(threads)
    return {name: round(value, 3) for name, value in found.items()}


def speed(reading: TrainLoader, seconds: float) -> float:
    """Videos a second."""
    from videonet.data import stages

    return round(stages.speed(reading, seconds), 2)


def needed(cfg: CfgNode, batch: int) -> dict[str, Any]:
    """Videos a second that a training step takes on this device."""
    from videonet.cli.bench_model import clips_of, training
    from videonet.inference import open_fresh
    from videonet.models.timing import medians
    from videonet.run import place

    fresh = open_fresh(cfg=cfg)
    place(cfg, fresh.model, fresh.device)
    batch = batch or (min(2, cfg.TRAIN.BATCH_SIZE) if fresh.device.type == "cpu" else cfg.TRAIN.BATCH_SIZE)
    step = training(fresh, clips_of(fresh, batch, cfg.DATA.TRAIN_CROP_SIZE), cfg.TRAIN.PRECISION)
    seconds = medians({"train": step}, fresh.device, 3)["train"]
    rate = batch / cfg.AUG.NUM_SAMPLE / seconds
    return {"videos_per_s": round(rate, 3), "batch": batch, "device": str(fresh.device)}


def beside(dataset: TrainClips | ViewClips, files: int, rounds: int) -> list[dict[str, Any]]:
    """CPU time of reading a dataset's clips of some of its videos here and with other libraries; [] of no videos."""
    from videonet.data import peers, transforms
    from videonet.data.clips import TrainClips

    records, shape = dataset.records, dataset.shape
    paths = [records[row].path for row in range(0, len(records), max(1, len(records) // files))][:files]
    if not all(path.lower().endswith(VIDEOS) and os.path.isfile(path) for path in paths):
        return []
    if isinstance(dataset, TrainClips):
        return peers.measure(
            paths,
            lambda rng, frames, fps: dataset.sample(rng, frames, fps, shape.frames, shape.rate),
            lambda rng, height, width: dataset.crop(rng, height, width, shape.size),
            rounds=rounds,
        )
    return peers.measure(
        paths,
        lambda rng, frames, fps: dataset.sample(frames, fps, shape.frames, shape.rate),
        lambda rng, height, width: transforms.spatial_crops(height, width, shape.size, dataset.crops, dataset.scale),
        rounds=rounds,
    )


def advice(result: dict[str, Any]) -> str:
    """One sentence: whether training waits for data, and what to do about it."""
    best = max(result["workers"], key=result["workers"].get)
    speed, spent = result["workers"][best], result["stages"]
    slowest = max(spent, key=spent.get)
    share = f"{slowest} takes {spent[slowest] / sum(spent.values()):.0%} of a video's {sum(spent.values()):.1f} ms"
    cure = CURES.get(slowest, "more cores for workers")
    if "model" not in result:
        return f"{share}; to read faster: {cure}."
    wanted = result["model"]["videos_per_s"]
    if speed >= ENOUGH * wanted:
        return f"{best} workers read {speed:.1f} videos/s and training takes {wanted:.1f}: it does not wait for data."
    workers = math.ceil(ENOUGH * wanted * sum(spent.values()) / 1e3)
    return (
        f"{best} workers read {speed:.1f} videos/s, but training takes {wanted:.1f} and has to wait: {share}; {cure}, "
        f"or set DATA_LOADER.NUM_WORKERS {workers}, on as many cores (there are {result['cores']} here)."
    )


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [f"{result['list']}: {result['rows']} videos, {result['cores']} cores"]
    total = sum(result["stages"].values())
    lines.append(f"{'stage':<12} {'CPU ms a video':>14} {'share':>7}")
    lines += [f"  {name:<10} {value:14.2f} {value / total:7.1%}" for name, value in result["stages"].items()]
    lines += [f"{count} workers {rate:12.1f} videos/s" for count, rate in result["workers"].items()]
    if "model" in result:
        model = result["model"]
        lines.append(
            f"training {model['videos_per_s']:13.1f} videos/s on {model['device']}, batches of {model['batch']}"
        )
    for key, title in (("peers", "a training clip"), ("peers_views", "all views of a test")):
        if result.get(key) == []:
            lines.append(f"{title}: peers were not measured, they read video files alone")
        elif key in result:
            lines.append(f"{title:<22} {'CPU ms':>10} {'speed':>8}")
            lines += [peer_line(row) for row in result[key]]
    return "\n".join([*lines, result["advice"]])


def peer_line(row: dict[str, Any]) -> str:
    """A peer's row."""
    name = f"  {row['peer']} {row['version']}".rstrip()
    if row["error"]:
        return f"{name}: not measured: {row['error']}"
    return f"{name:<22} {row['ms']:10.1f} {row['speed']:7.2f}x"
