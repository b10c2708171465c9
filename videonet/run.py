"""train(cfg) and test(cfg): build the parts, call the loops, leave the files that a run leaves."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from fvcore.common.config import CfgNode

from videonet import build, config, distributed, report
from videonet.data.clips import view_batches
from videonet.data.loader import EvalLoader
from videonet.data.records import Records
from videonet.engine import checkpoint, optim, scoring
from videonet.engine.checkpoint import Checkpoints
from videonet.engine.log import Log
from videonet.engine.loop import Every
from videonet.engine.loop import train as train_loop
from videonet.engine.precise_bn import update_statistics
from videonet.engine.precision import grad_scaler
from videonet.engine.state import State, moving_average
from videonet.engine.watch import Watch
from videonet.evaluation.views import Views
from videonet.layers.norm import convert_norms
from videonet.models.checkpoint import read_weights
from videonet.models.inflate import inflate
from videonet.models.network import Network
from videonet.models.video.resnet3d import find_family
from videonet.models.weights import load_weights


def run(cfg: CfgNode) -> None:
    """Train and/or test, as TRAIN.ENABLE and TEST.ENABLE say, in as many processes as torchrun or Slurm started."""
    line = distributed.init()
    try:
        if distributed.is_main():
            print(line, flush=True)
        if cfg.TRAIN.ENABLE and not train(cfg):
            return
        if cfg.TEST.ENABLE:
            test(cfg)
    finally:
        distributed.shutdown()


def train(cfg: CfgNode) -> bool:
    """Train from the last checkpoint, or from the start; False where the run was asked to stop before its end."""
    folder, device = Path(cfg.OUTPUT_DIR), distributed.device(cfg.DEVICE)
    records = build.build_records(cfg, "train")
    what = build.build_task(cfg)
    classes = cfg.MODEL.NUM_CLASSES or records.num_classes
    model = start_model(cfg, classes, device)
    state = start_state(cfg, model, records, device)
    _, watched = build.build_metrics(what)
    checkpoints = Checkpoints(folder / "checkpoints", keep=cfg.TRAIN.KEEP_CHECKPOINTS, watch=watched)
    log = Log(folder, tensorboard=cfg.TENSORBOARD)
    write_text(folder / "config.yaml", config.dump(cfg))
    resumed = checkpoints.resume(state) if cfg.TRAIN.AUTO_RESUME else None
    if resumed:
        log.say(f"resumed from {resumed} at step {state.step}")
    elif cfg.TRAIN.INIT_FROM:
        log.say(init_from(cfg, model))
    loader = build.build_train_loader(cfg, records)
    schedule = build.build_schedule(cfg, loader.steps_per_epoch)
    log.say(describe_data(records, classes) + f"  steps={schedule.steps} ({loader.steps_per_epoch} an epoch)")
    finished = train_loop(
        state,
        loader.batches(state.step),
        what,
        prepare=build.build_prepare(cfg, device, what, classes=classes),
        schedule=schedule,
        log=log,
        every=Every(
            log=cfg.LOG_PERIOD,
            evaluate=math.ceil(cfg.TRAIN.EVAL_PERIOD * loader.steps_per_epoch),
            save=math.ceil(cfg.TRAIN.CHECKPOINT_PERIOD * loader.steps_per_epoch),
        ),
        evaluate=evaluation(cfg, records, device) if cfg.TRAIN.EVAL_PERIOD else None,
        checkpoints=checkpoints,
        precision=cfg.TRAIN.PRECISION,
        accumulate=cfg.TRAIN.ACCUMULATE,
        clip=optim.clipping(norm=cfg.SOLVER.CLIP_GRAD_L2NORM or None, value=cfg.SOLVER.CLIP_GRAD_VAL or None),
        watch=Watch(
            folder / "bad",
            explosion=cfg.TRAIN.KILL_LOSS_EXPLOSION_FACTOR,
            name=lambda row: records[row].path,
        ),
    )
    report_skipped(loader.skipped, folder, log)
    log.close()
    return finished


def start_model(cfg: CfgNode, classes: int, device: torch.device) -> Network:
    """The network before training: built from the seed, norms as BN.MODE says, parts frozen."""
    torch.manual_seed(cfg.SEED)
    model = build.build_model(cfg, classes)
    convert_norms(model, cfg.BN.MODE, splits=cfg.BN.NUM_SPLITS)
    if cfg.MODEL.FREEZE:
        optim.freeze(model, cfg.MODEL.FREEZE)
    return place(cfg, model, device)


def place(cfg: CfgNode, model: Network, device: torch.device) -> Network:
    """The network on its device, in the memory format of the config, compiled if it says so."""
    model = model.to(device)
    if cfg.MODEL.CHANNELS_LAST:
        three = build.VARIANTS[cfg.MODEL.NAME].dims == 3
        model = model.to(memory_format=torch.channels_last_3d if three else torch.channels_last)
    if cfg.MODEL.COMPILE:
        model.compile()
    return model


def start_state(cfg: CfgNode, model: Network, records: Records, device: torch.device) -> State:
    """What a checkpoint holds, at step 0."""
    return State(
        model,
        build.build_optimizer(cfg, model),
        scaler=grad_scaler(cfg.TRAIN.PRECISION, device),
        seed=cfg.SEED,
        ema=moving_average(model, cfg.TRAIN.EMA) if cfg.TRAIN.EMA else None,
        extra={
            "classes": list(records.classes or ()),
            "mean": list(cfg.DATA.MEAN),
            "std": list(cfg.DATA.STD),
            "config": config.dump(cfg),
        },
    )


def init_from(cfg: CfgNode, model: Network) -> str:
    """Fill the network from TRAIN.INIT_FROM, image weights inflated as TRAIN.INFLATE says; the report to print."""
    path = Path(cfg.TRAIN.INIT_FROM)
    if not cfg.TRAIN.INFLATE:
        return str(load_weights(model, own_weights(path), strict=False))
    family = find_family(cfg.MODEL.get("FAMILY", ""), cfg.MODEL.get("DEPTH", 50))
    image = family()
    loaded = load_weights(image, own_weights(path), strict=False)
    return f"{loaded}\n{inflate(image.state_dict(), model, cfg.TRAIN.INFLATE)}"


def own_weights(path: Path) -> Mapping | Path:
    """Of a checkpoint of ours the weights to evaluate; any other file as it is."""
    content = read_weights(path) if path.suffix in ("", ".pt") else {}
    return checkpoint.weights(content) if str(content.get("format", "")).startswith("videonet") else path


def evaluation(cfg: CfgNode, records: Records, device: torch.device) -> Callable[[torch.nn.Module], dict[str, float]]:
    """model -> figures on the validation list, after the norms' statistics were made precise if the config says so."""
    val = build.build_records(cfg, "val")
    loader = build.build_eval_loader(cfg, val, views=False)
    what = build.build_task(cfg)
    prepare = build.build_prepare(cfg, device, what)
    metrics, _ = build.build_metrics(what)
    precise = build.build_train_loader(cfg, records) if cfg.BN.USE_PRECISE_STATS else None

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        if precise is not None:
            count = min(cfg.BN.NUM_BATCHES_PRECISE, precise.steps_per_epoch)
            batches = precise.batches(0, count)
            update_statistics(model, batches, prepare=prepare, count=count, precision=cfg.TRAIN.PRECISION)
        return scoring.evaluate(
            model,
            loader.batches(),
            what,
            metrics,
            ensemble=Views(len(val)),
            prepare=prepare,
            missing=lambda: [(bad.index, bad.reason) for bad in loader.missing],
            precision=cfg.TRAIN.PRECISION,
        )

    return evaluate


def test(cfg: CfgNode) -> dict:
    """Score every view of every video of the test list once; write the result files; return what result.json says."""
    folder, device = Path(cfg.OUTPUT_DIR), distributed.device(cfg.DEVICE)
    split = test_split(cfg)
    records = build.build_records(cfg, split)
    what = build.build_task(cfg)
    model = build.build_model(cfg, records.num_classes)
    path = test_weights(cfg)
    load_weights(model, own_weights(path))
    model = place(cfg, model, device)
    loader = build.build_eval_loader(cfg, records, views=True)
    log = Log(folder, tensorboard=False)
    log.say(f"test of {path} on {describe_data(records, records.num_classes)}")
    views = cfg.TEST.NUM_ENSEMBLE_VIEWS, cfg.TEST.NUM_SPATIAL_CROPS
    ensemble = Views(len(records), views=math.prod(views), how=cfg.TEST.ENSEMBLE_METHOD)
    scoring.test(
        model,
        log.progress(labelled_views(loader, records, cfg.TEST.BATCH_SIZE, device), "test"),
        what,
        ensemble,
        prepare=build.build_prepare(cfg, device, what),
        missing=lambda: [(bad.index, bad.reason) for bad in loader.missing],
        scores=model.scores,
        precision=cfg.TRAIN.PRECISION,
    )
    scored = ensemble.compute()
    metrics, _ = build.build_metrics(what)
    result = {
        "metric": scoring.measure(scored, metrics),
        "evaluated": len(scored.index),
        "missing": [{"path": records[i].path, "reason": reason} for i, reason in scored.missing.items()],
        "classes": records.num_classes,
        "views": {
            "clips": cfg.TEST.NUM_ENSEMBLE_VIEWS,
            "crops": cfg.TEST.NUM_SPATIAL_CROPS,
            "size": cfg.DATA.TEST_CROP_SIZE,
        },
        "split": split,
        "list": records.source,
        "list_sha256": records.digest(),
        "config_sha256": hashlib.sha256(config.dump(cfg).encode()).hexdigest(),
        "checkpoint": str(path),
        "checkpoint_sha256": digest(path),
        "versions": versions(),
    }
    if distributed.is_main():
        write_result(folder, result, scored, records, math.prod(views))
    log.write({"split": "test", **result["metric"], "items": result["evaluated"], "missing": len(result["missing"])})
    log.close()
    distributed.barrier()
    return result


def labelled_views(loader: EvalLoader, records: Records, chunk: int, device: torch.device) -> Iterator[dict]:
    """The views of one video after another, `chunk` at a time, with the labels that belong to them."""
    for batch in loader.batches():
        for part in view_batches(batch["items"], chunk, device):
            yield {**part, "label": records.labels[part["index"]]}


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


def write_result(folder: Path, result: dict, scored: scoring.Result, records: Records, views: int) -> None:
    """result.json, predictions.csv, per_class.csv and confusion.png."""
    classes = records.classes or [str(i) for i in range(records.num_classes)]
    rows = zip(scored.index.tolist(), scored.scores.numpy(), scored.target.numpy())
    predictions = (report.prediction(records[i].path, label, row, classes, views) for i, row, label in rows)
    folder.mkdir(parents=True, exist_ok=True)
    report.write_predictions(predictions, folder / "predictions.csv")
    report.write_report(folder)
    write_text(folder / "result.json", json.dumps(result, indent=1))


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


def describe_data(records: Records, classes: int) -> str:
    """`list.csv: videos=812 classes=7 (per class min 9 max 240)`."""
    text = f"{records.source}: videos={len(records)} classes={classes}"
    if records.labels.dim() == 1:
        counts = torch.bincount(records.labels, minlength=classes)
        text += f" (per class min {int(counts.min())} max {int(counts.max())})"
    return text


def digest(path: Path) -> str:
    """sha256 of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Releases of what a number depends on: Python, torch, the decoder and its FFmpeg."""
    found = {"python": platform.python_version()}
    for package in ("videonet", "torch", "torchvision", "numpy", "av"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    import av

    found |= {f"ffmpeg {name}": ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}
    return found
