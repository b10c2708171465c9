"""train(cfg) and test(cfg): build the parts, call the loops, leave the files that a run leaves."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from fvcore.common.config import CfgNode

from videonet import build, config, distributed, networks, result
from videonet.data.box_split import BoxSplit
from videonet.data.clips import FixedClips
from videonet.data.loader import EvalLoader
from videonet.data.split import Split
from videonet.engine import checkpoint, optim, scoring
from videonet.engine.checkpoint import Checkpoints
from videonet.engine.log import Log
from videonet.engine.loop import Every
from videonet.engine.loop import train as train_loop
from videonet.engine.multigrid import Multigrid
from videonet.engine.precise_bn import update_statistics
from videonet.engine.precision import grad_scaler
from videonet.engine.state import State, moving_average
from videonet.engine.watch import Watch
from videonet.evaluation.views import Scored, Views
from videonet.models.checkpoint import read_weights
from videonet.models.count import count_params
from videonet.models.network import Network
from videonet.models.start import first_difference, start, start_inflated
from videonet.models.video.resnet3d import image_backbone, resnet3d
from videonet.models.video.slowfast import slowfast
from videonet.models.weights import load_weights
from videonet.source import read_yaml


def run(cfg: CfgNode) -> bool:
    """Train and/or test, as TRAIN.ENABLE and TEST.ENABLE say, in as many processes as torchrun or Slurm started; False
    where the training was asked to stop before its end."""
    line = distributed.init()
    torch.set_num_threads(threads(cfg))
    try:
        if distributed.is_main():
            print(line, flush=True)
        if cfg.TRAIN.ENABLE and cfg.TEST.ENABLE:
            test_parts(cfg)  # what is wrong with the test is said before days of training
        if cfg.TRAIN.ENABLE and not train(cfg):
            return False
        if cfg.TEST.ENABLE:
            test(cfg)
        return True
    finally:
        distributed.shutdown()


def threads(cfg: CfgNode) -> int:
    """CPU threads of this process: with more than the cores that are free, they wait for each other."""
    if cfg.THREADS or os.environ.get("OMP_NUM_THREADS"):
        return cfg.THREADS or torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)) - cfg.DATA_LOADER.NUM_WORKERS)


def train(cfg: CfgNode) -> bool:
    """Train from the last checkpoint, or from the start; False where the run was asked to stop before its end."""
    folder, device = Path(cfg.OUTPUT_DIR), distributed.device(cfg.DEVICE)
    split = build.build_split(cfg, "train")
    what = build.build_task(cfg)
    classes = cfg.MODEL.NUM_CLASSES or split.num_classes
    model = start_model(cfg, classes, device)
    state = start_state(cfg, model, split, device)
    watched = build.watched_figure(what)
    checkpoints = Checkpoints(folder / "checkpoints", keep=cfg.TRAIN.KEEP_CHECKPOINTS, watch=watched)
    log = Log(folder, tensorboard=cfg.TENSORBOARD)
    resumed = checkpoints.resume(state) if cfg.TRAIN.AUTO_RESUME else None
    if resumed:
        unread = f", so TRAIN.INIT_FROM {cfg.TRAIN.INIT_FROM} is not read" if cfg.TRAIN.INIT_FROM else ""
        log.say(f"resumed from {resumed} at step {state.step}{unread}{changed(cfg, folder / 'config.yaml')}")
    elif cfg.TRAIN.INIT_FROM or cfg.TRAIN.INFLATE:
        log.say(init_from(cfg, model, split.classes or ()))
    write_text(folder / "config.yaml", config.dump(cfg))
    log.say(f"{cfg.MODEL.NAME}: {size(model)}")
    schedule = build.build_schedule(cfg, build.steps_per_epoch(cfg, len(split)))
    loader = build.build_train_loader(cfg, split, schedule)
    log.say(split.describe(classes) + f"  steps={schedule.steps} ({round(schedule.steps_per_epoch)} an epoch)")
    for line in schedule.describe() if isinstance(schedule, Multigrid) else ():
        log.say(line)
    finished = train_loop(
        state,
        loader.batches(state.step),
        what,
        prepare=build.build_prepare(cfg, device, what, classes=classes),
        schedule=schedule,
        log=log,
        every=Every(
            log=cfg.LOG_PERIOD,
            evaluate=math.ceil(cfg.TRAIN.EVAL_PERIOD * schedule.steps_per_epoch),
            save=math.ceil(cfg.TRAIN.CHECKPOINT_PERIOD * schedule.steps_per_epoch),
        ),
        evaluate=evaluation(cfg, split, device) if cfg.TRAIN.EVAL_PERIOD else None,
        checkpoints=checkpoints,
        precision=cfg.TRAIN.PRECISION,
        accumulate=cfg.TRAIN.ACCUMULATE,
        clip=optim.clipping(norm=cfg.SOLVER.CLIP_GRAD_L2NORM or None, value=cfg.SOLVER.CLIP_GRAD_VAL or None),
        watch=Watch(
            folder / "bad",
            explosion=cfg.TRAIN.KILL_LOSS_EXPLOSION_FACTOR,
            name=lambda row: split.records[row].path,
        ),
    )
    report_skipped(loader.skipped, folder, log)
    log.close()
    return finished


def changed(cfg: CfgNode, path: Path) -> str:
    """Settings that differ from those in the config.yaml of a run, but the test's: `; changed since: KEY 1 -> 2`."""
    if not path.is_file():
        return ""
    before, now = read_yaml(path.read_text(encoding="utf-8"), str(path)), read_yaml(config.dump(cfg), "")
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key) and not key.startswith("TEST.")]
    return f"; changed since: {', '.join(f'{key} {before.get(key)} -> {now.get(key)}' for key in keys)}" if keys else ""


def size(model: Network) -> str:
    """How many values a network has, and how many of them are trained."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return f"{count_params(model) / 1e6:.2f} M parameters, {trained / 1e6:.2f} M of them trained"


def start_model(cfg: CfgNode, classes: int, device: torch.device) -> Network:
    """The network before training: built from the seed, norms as BN.MODE says, parts frozen."""
    torch.manual_seed(cfg.SEED)
    model = build.build_model(cfg, classes)
    build.set_norms(cfg, model)
    if cfg.MODEL.FREEZE:
        optim.freeze(model, cfg.MODEL.FREEZE)
    return place(cfg, model, device)


def place(cfg: CfgNode, model: Network, device: torch.device) -> Network:
    """The network on its device, in the memory format of the config, compiled if it says so."""
    model = model.to(device)
    if cfg.MODEL.CHANNELS_LAST:
        three = networks.VARIANTS[cfg.MODEL.NAME].dims == 3
        model = model.to(memory_format=torch.channels_last_3d if three else torch.channels_last)
    if cfg.MODEL.COMPILE:
        model.compile()
    return model


def start_state(cfg: CfgNode, model: Network, split: Split | BoxSplit, device: torch.device) -> State:
    """What a checkpoint holds, at step 0."""
    return State(
        model,
        build.build_optimizer(cfg, model),
        scaler=grad_scaler(cfg.TRAIN.PRECISION, device),
        seed=cfg.SEED,
        ema=moving_average(model, cfg.TRAIN.EMA) if cfg.TRAIN.EMA else None,
        extra={
            "classes": list(split.classes or ()),
            "mean": list(cfg.DATA.MEAN),
            "std": list(cfg.DATA.STD),
            "config": config.dump(cfg),
        },
    )


def init_from(cfg: CfgNode, model: Network, classes: Sequence[str] = ()) -> str:
    """Fill the network from TRAIN.INIT_FROM, image weights inflated as TRAIN.INFLATE says; the report to print."""
    path, name = cfg.TRAIN.INIT_FROM, cfg.MODEL.NAME
    if not path:
        raise ValueError(f"TRAIN.INFLATE is {cfg.TRAIN.INFLATE}, but TRAIN.INIT_FROM is empty: give the image weights")
    weights, saved = own_weights(Path(path))
    if not cfg.TRAIN.INFLATE:
        done = start(model, weights, name=path, classes=classes, theirs=saved.get("classes", ()))
        return "\n".join([str(done), *pixel_notes(cfg, saved or done.facts)])
    variant = networks.VARIANTS[name]
    if variant.build not in (resnet3d, slowfast):
        raise ValueError(
            f"TRAIN.INFLATE is {cfg.TRAIN.INFLATE}, but {name} is made of no image network: leave it empty, or take "
            "c2d, i3d, slow, slowfast or video_resnet"
        )
    given = {**variant.settings, **config.arguments(cfg.MODEL, build.MODELS[name])}
    image = image_backbone(**{key: given[key] for key in ("family", "depth", "scale") if key in given})
    return str(start_inflated(model, weights, image, cfg.TRAIN.INFLATE, name=path))


def own_weights(path: Path) -> tuple[Mapping, Mapping]:
    """What a weight file holds; once more where it is a checkpoint of ours, whose other entries count too, else {}."""
    content = read_weights(path)
    return content, content if str(content.get("format", "")).startswith("videonet") else {}


def evaluation(
    cfg: CfgNode, split: Split | BoxSplit, device: torch.device
) -> Callable[[torch.nn.Module], dict[str, float]]:
    """model -> figures on the validation list, after the norms' statistics were made precise if the config says so."""
    val = build.build_split(cfg, "val")
    loader = build.build_eval_loader(cfg, val, views=False)
    data = loader.dataset
    what = build.build_task(cfg)
    prepare = build.build_prepare(cfg, device, what)
    metrics = build.build_metrics(what, data)
    precise = build.build_train_loader(cfg, split) if cfg.BN.USE_PRECISE_STATS else None

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        if precise is not None:
            count = min(cfg.BN.NUM_BATCHES_PRECISE, precise.steps_per_epoch)
            batches = precise.batches(0, count)
            update_statistics(model, batches, prepare=prepare, count=count, precision=cfg.TRAIN.PRECISION)
        figures = scoring.evaluate(
            model,
            data.batches(loader.batches(), cfg.TEST.BATCH_SIZE, device),
            what,
            metrics,
            ensemble=Views(data.items, views=data.views),
            prepare=prepare,
            missing=lambda: missing_items(loader),
            precision=cfg.TRAIN.PRECISION,
        )
        return figures if val.labelled else {key: value for key, value in figures.items() if key != "loss"}

    return evaluate


def missing_items(loader: EvalLoader) -> list[tuple[int, str]]:
    """(item, reason) of all that this process could not read."""
    return [(item, bad.reason) for bad in loader.missing for item in loader.dataset.items_of(bad.index)]


def test(cfg: CfgNode) -> dict:
    """Score every view of every item of the test list once; write the result files; return what result.json says."""
    folder, device = Path(cfg.OUTPUT_DIR), distributed.device(cfg.DEVICE)
    name, split, loader, ensemble = test_parts(cfg)
    data, what = loader.dataset, build.build_task(cfg)
    model = build.build_model(cfg, split.num_classes)
    path = test_weights(cfg)
    weights, saved = own_weights(path)
    report = load_weights(model, weights, name=str(path))
    model = place(cfg, model, device)
    log = Log(folder, tensorboard=False)
    log.say(f"test of {path} on {split.describe(cfg.MODEL.NUM_CLASSES or split.num_classes)}")
    named, pixels = saved.get("classes", ()), pixel_notes(cfg, saved or report.facts)
    for note in (*ensemble_notes(cfg, data.views), *class_notes(path, named, split), *pixels):
        log.say(note)
    scoring.test(
        model,
        log.progress(data.batches(loader.batches(), cfg.TEST.BATCH_SIZE, device), "test"),
        what,
        ensemble,
        prepare=build.build_prepare(cfg, device, what),
        missing=lambda: missing_items(loader),
        scores=model.scores,
        precision=cfg.TRAIN.PRECISION,
    )
    scored = ensemble.compute()
    damaged = sorted({(bad.path, bad.reason) for part in distributed.gather(loader.damaged) for bad in part})
    if damaged:
        log.say(f"note: {len(damaged)} videos are damaged and show some frames twice, see {folder / 'result.json'}")
    (metric,) = build.build_metrics(what, data)
    facts = {
        "metric": scoring.measure(scored, [metric]),
        "evaluated": len(scored.index),
        "missing": [{"path": path, "reason": reason} for path, reason in missing_names(scored, data).items()],
        "damaged": [{"path": path, "reason": reason} for path, reason in damaged],
        "classes": split.num_classes,
        "views": {
            "clips": cfg.TEST.NUM_ENSEMBLE_VIEWS,
            "crops": cfg.TEST.NUM_SPATIAL_CROPS,
            "size": cfg.DATA.TEST_CROP_SIZE,
        },
        "split": name,
        "list": split.source,
        "list_sha256": split.digest(),
        "config_sha256": hashlib.sha256(config.dump(cfg).encode()).hexdigest(),
        "checkpoint": str(path),
        "checkpoint_sha256": result.digest(path),
        "versions": result.versions(),
        **result.details(metric),
    }
    if distributed.is_main():
        for note in result.write(folder, facts, scored, split, data, metric):
            log.say(note)
    log.write({"split": "test", **facts["metric"], "items": facts["evaluated"], "missing": len(facts["missing"])})
    log.close()
    distributed.barrier()
    return facts


def test_parts(cfg: CfgNode) -> tuple[str, Split | BoxSplit, EvalLoader, Views]:
    """What a test reads and how its views are joined: the name of the split, the split, its loader, the ensemble."""
    name = test_split(cfg)
    split = build.build_split(cfg, name)
    loader = build.build_eval_loader(cfg, split, views=True)
    data = loader.dataset
    return name, split, loader, Views(data.items, views=data.views, how=cfg.TEST.ENSEMBLE_METHOD)


def ensemble_notes(cfg: CfgNode, views: int) -> list[str]:
    """What is unusual in how the views are joined."""
    if cfg.TASK.NAME == "multi_label" and views > 1 and cfg.TEST.ENSEMBLE_METHOD != "max":
        return ["note: views of videos with several labels are joined by TEST.ENSEMBLE_METHOD sum; published are max"]
    return []


def class_notes(path: Path, named: Sequence[str], split: Split | BoxSplit) -> list[str]:
    """Which class of a checkpoint has another name in the list, where both say names."""
    if differ := first_difference(named, split.classes or ()):
        return [
            f"note: the class {differ[0]!r} of {path} is {differ[1]!r} in the list, so labels may have another order"
        ]
    return []


def pixel_notes(cfg: CfgNode, facts: Mapping) -> list[str]:
    """That weights were trained on pixels of another mean or deviation, where their source is known for it."""
    return [
        f"note: the weights were trained with DATA.{key} {list(facts[key.lower()])}, here it is {list(cfg.DATA[key])}"
        for key in ("MEAN", "STD")
        if key.lower() in facts and not np.allclose(facts[key.lower()], cfg.DATA[key], atol=5e-3)
    ]


def missing_names(scored: Scored, data: FixedClips) -> dict[str, str]:
    """What could not be read, by name, and why."""
    return {data.name(item): reason for item, reason in scored.missing.items()}


def test_split(cfg: CfgNode) -> str:
    """TEST.SPLIT, else `test` where there is such a list, else `val`."""
    if cfg.TEST.SPLIT:
        return cfg.TEST.SPLIT
    return "test" if (Path(cfg.DATA.PATH_TO_DATA_DIR) / "test.csv").is_file() else "val"


def test_weights(cfg: CfgNode) -> Path:
    """The file to test."""
    if cfg.TEST.CHECKPOINT_FILE_PATH:
        return Path(cfg.TEST.CHECKPOINT_FILE_PATH)
    folder = Path(cfg.OUTPUT_DIR) / "checkpoints"
    for name in ("best", "last"):
        if (folder / name).is_file():
            return folder / name
    raise ValueError(f"{folder} has no checkpoint to test: train first, or set TEST.CHECKPOINT_FILE_PATH")


def write_text(path: Path, text: str) -> None:
    """Write a file whole, on the main process."""
    if distributed.is_main():
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_whole(path, text.encode())


def report_skipped(skipped: list[tuple[str, str]], folder: Path, log: Log) -> None:
    """Say how many training videos could not be read, and list them in bad.csv."""
    everywhere = dict(pair for part in distributed.gather(skipped) for pair in part)
    if everywhere:
        write_text(folder / "bad.csv", "".join(f"{path}\t{reason}\n" for path, reason in everywhere.items()))
        log.say(f"skipped={len(everywhere)} training videos that could not be read, see {folder / 'bad.csv'}")
