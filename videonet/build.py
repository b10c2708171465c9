"""The tables of everything that a config can name, and the functions that build it: the one file that knows all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch import nn

from videonet import config, distributed
from videonet.data import augmentation, box_splits, clip_splits, kinetics, transforms
from videonet.data.box_split import BoxSplit
from videonet.data.clips import ClipShape, FixedClips
from videonet.data.images import ViewImages
from videonet.data.keyframe_clips import KeyframeClips
from videonet.data.loader import EvalLoader, TrainLoader, Workers
from videonet.data.moments import MomentClips
from videonet.data.sampling import Rules
from videonet.data.split import Reading, Split
from videonet.defaults import CALLS
from videonet.engine import optim, schedule, task
from videonet.engine.multigrid import SHORT_FACTORS, Grid, Multigrid, Phase, long_cycle, relative_lrs
from videonet.evaluation.ava import AVA_GROUPS, Truth
from videonet.evaluation.box_ap import BoxAP
from videonet.evaluation.localisation import MomentAP
from videonet.evaluation.mean_ap import MeanAP
from videonet.evaluation.topk import TopK
from videonet.layers.nd import Nd
from videonet.layers.norm import convert_norms
from videonet.models.heads import Classify, Projected, Roi
from videonet.models.network import Network, last_channels, window_of
from videonet.networks import VARIANTS, measure, resize

MODELS = {name: partial(variant.build, **variant.settings) for name, variant in VARIANTS.items()}
HEADS: dict[str, Callable[..., nn.Module]] = {"classify": Classify, "projected": Projected, "roi": Roi}
DATASETS: dict[str, Callable[..., Split | BoxSplit]] = {
    "ava": box_splits.ava,
    "boxes": box_splits.boxes,
    "charades": clip_splits.charades,
    "imagenet": clip_splits.imagenet,
    "kinetics": clip_splits.kinetics,
    "ssv2": clip_splits.ssv2,
}
TASKS = {
    "classification": task.Classification,
    "multi_label": task.MultiLabel,
    "action_detection": task.ActionDetection,
}
OPTIMIZERS = {"sgd": optim.sgd, "adam": optim.adam, "adamw": optim.adamw, "lars": optim.lars}
SCHEDULES = {
    "cosine": schedule.cosine,
    "steps": schedule.steps_with_relative_lrs,
    "linear": schedule.linear,
    "constant": schedule.constant,
}


def tables_of(names: Mapping[str, str]) -> dict[str, config.Table]:
    """Section -> table; the head without a name is the one that the network of MODEL.NAME was published with."""
    variant = VARIANTS.get(names.get("MODEL", ""))
    own = partial(variant.head, **variant.head_settings) if variant else Classify
    tables = (MODELS, {"": own, **HEADS}, DATASETS, TASKS, OPTIMIZERS, SCHEDULES)
    return dict(zip(CALLS, tables))


def load_config(path: str | Path, overrides: Sequence[Any] = ()) -> CfgNode:
    """The complete, frozen config of a YAML file and `KEY VALUE` overrides."""
    return config.load(path, overrides, tables=tables_of)


# networks


def build_model(cfg: CfgNode, num_classes: int = 0) -> Network:
    """The network of a config; `num_classes` is used where MODEL.NUM_CLASSES is 0."""
    num_classes = cfg.MODEL.NUM_CLASSES or num_classes
    if num_classes < 1:
        raise ValueError(
            "MODEL.NUM_CLASSES is 0 and the data names no classes: set it, or put classes.txt beside the lists"
        )
    backbone = config.call(cfg.MODEL, MODELS, build_nd(cfg))
    heads = tables_of({"MODEL": cfg.MODEL.NAME})["HEAD"]
    own = {"NORM": cfg.BN.NORM_TYPE} if cfg.BN.NORM_TYPE and "NORM" in cfg.HEAD else {}  # it has the network's norm
    head = config.call({**cfg.HEAD, **own}, heads, last_channels(backbone), num_classes)
    check_head(cfg, head, backbone.strides[-1])
    one_label = cfg.TASK.NAME == "classification" or cfg.TASK.get("LOSS") == "ce"
    activation = "softmax" if one_label else "sigmoid"
    return Network(backbone, head, activation=activation, window=window_of(backbone, cfg.DATA.TRAIN_CROP_SIZE))


def check_head(cfg: CfgNode, head: nn.Module, stride: int) -> None:
    """ValueError unless the head is one of the task, and knows the stride of the maps."""
    detects = cfg.TASK.NAME == "action_detection"
    if isinstance(head, Roi) != detects:
        needs = "scores boxes: set HEAD.NAME roi" if detects else "scores whole clips: HEAD.NAME roi is not for it"
        raise ValueError(f"TASK.NAME is {cfg.TASK.NAME}, which {needs}")
    if detects and head.stride != stride:
        raise ValueError(
            f"HEAD.STRIDE is {head.stride}, but a map of the backbone has stride {stride}: set MODEL.OUTPUT_STRIDE "
            f"{head.stride}, or HEAD.STRIDE {stride}"
        )


def build_nd(cfg: CfgNode) -> Nd:
    """The layer factory of a config: the network's published one with what BN and MODEL.INIT say."""
    nd = VARIANTS[cfg.MODEL.NAME].nd
    own = {"norm_policy": cfg.BN.NORM_TYPE, "bn_eps": cfg.BN.EPS, "init": cfg.MODEL.INIT}
    return replace(nd, zero_init=cfg.BN.ZERO_INIT, **{key: value for key, value in own.items() if value})


def describe_config(cfg: CfgNode, size: int | None = None) -> dict:
    """name, params, gmacs, input, boxes, stages of the network of a config, at its test crop or a square of `size`."""
    with torch.device("meta"):
        model = build_model(cfg, num_classes=1000)
    frames = (cfg.DATA.NUM_FRAMES,) if VARIANTS[cfg.MODEL.NAME].dims == 3 else ()
    crop = cfg.DATA.TEST_CROP_SIZE
    return {"name": cfg.MODEL.NAME, **measure(model, resize((3, *frames, crop, crop), size))}


# data


def build_reading(cfg: CfgNode) -> Reading:
    """What holds for the data whatever its format."""
    data = cfg.DATA
    return Reading(
        prefix=data.PATH_PREFIX,
        num_classes=cfg.MODEL.NUM_CLASSES,
        may_miss=data.MAX_BAD,
        backend=data.DECODING_BACKEND,
        target_fps=data.TARGET_FPS,
        short=data.SHORT_POLICY,
        spans=data.TEST_SPAN,
    )


def build_rules(cfg: CfgNode, spans: str = "") -> Rules:
    """How clips are taken from a video; spans: where test clips start, in place of DATA.TEST_SPAN."""
    reading = build_reading(cfg)
    return replace(reading, spans=spans or reading.spans).rules(cfg.DATA.get("SAMPLING", "clip"))


def build_split(cfg: CfgNode, name: str) -> Split | BoxSplit:
    """The split "train", "val" or "test" of the data."""
    if not cfg.DATA.PATH_TO_DATA_DIR:
        raise ValueError("DATA.PATH_TO_DATA_DIR is empty: give the folder with train.csv and val.csv")
    split = config.call(cfg.DATA, DATASETS, cfg.DATA.PATH_TO_DATA_DIR, name, build_reading(cfg))
    if split.task != cfg.TASK.NAME:
        raise ValueError(
            f"TASK.NAME is {cfg.TASK.NAME}, but {split.source} (DATA.NAME {cfg.DATA.NAME}) is for {split.task}: set "
            f"TASK.NAME {split.task}"
        )
    if cfg.DATA.CLASS_NAMES:
        names = kinetics.read_classes(cfg.DATA.CLASS_NAMES)
        if names is None:
            raise ValueError(f"DATA.CLASS_NAMES: there is no file {cfg.DATA.CLASS_NAMES}")
        split = split.named(names)
    return split


def build_train_loader(
    cfg: CfgNode, split: Split | BoxSplit, plan: schedule.Even | Multigrid | None = None
) -> TrainLoader:
    """Random clips of the training list, this process's share of each global batch; of full size without a `plan`."""
    grid = plan if isinstance(plan, Multigrid) else None
    dataset = split.train(
        ClipShape(cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE, cfg.DATA.TRAIN_CROP_SIZE),
        crop=build_crop(cfg),
        flip=0.5 if cfg.DATA.RANDOM_FLIP else 0.0,
        augment=build_augment(cfg),
        repeats=cfg.AUG.NUM_SAMPLE,
        seed=cfg.SEED,
    )
    return TrainLoader(
        dataset,
        (lambda step: grid.clip_shape(step).batch) if grid else cfg.TRAIN.BATCH_SIZE,
        shape=(lambda step: clip_shape(grid.clip_shape(step))) if grid else None,
        seed=cfg.SEED,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
        max_bad=cfg.DATA.MAX_BAD,
        workers=Workers(cfg.DATA_LOADER.NUM_WORKERS, timeout=cfg.DATA_LOADER.TIMEOUT),
    )


def clip_shape(grid: Grid) -> ClipShape:
    """The clips of a multigrid step."""
    return ClipShape(grid.frames, grid.rate, grid.size, longest=grid.max_rate)


def build_crop(cfg: CfgNode) -> Callable:
    """The training crop: random resized where the relative scales are given, else scale jitter."""
    area, aspect = cfg.DATA.TRAIN_JITTER_SCALES_RELATIVE, cfg.DATA.TRAIN_JITTER_ASPECT_RELATIVE
    if area:
        return partial(transforms.random_resized_crop, area=tuple(area), aspect=tuple(aspect or (3 / 4, 4 / 3)))
    scales, base = tuple(cfg.DATA.TRAIN_JITTER_SCALES), cfg.DATA.TRAIN_CROP_SIZE
    return partial(transforms.random_crop, scales=scales, inverse=cfg.DATA.INV_UNIFORM_SAMPLE, base=base)


def build_augment(cfg: CfgNode) -> augmentation.Chain | None:
    """What AUG changes in training clips, None where it changes nothing."""
    ops, _, magnitude = cfg.AUG.RAND_AUGMENT.partition("-")
    if ops and not (ops.isdigit() and magnitude.isdigit() and int(magnitude) <= 10):
        raise ValueError(f"AUG.RAND_AUGMENT is {cfg.AUG.RAND_AUGMENT!r}; it must be N-M, M up to 10: 2-9, or empty")
    if cfg.TASK.NAME == "action_detection" and (ops or cfg.MIXUP.ALPHA or cfg.MIXUP.CUTMIX_ALPHA):
        raise ValueError("AUG.RAND_AUGMENT and MIXUP move or mix what is in the boxes: leave them off for detection")
    steps, jitter = [], cfg.AUG.COLOR_JITTER
    if jitter:
        steps.append(partial(augmentation.colour_jitter, brightness=jitter, contrast=jitter, saturation=jitter))
    if cfg.AUG.LIGHTING:
        steps.append(partial(augmentation.lighting, std=cfg.AUG.LIGHTING, values=tuple(cfg.AUG.LIGHTING_VALUES)))
    if ops:
        steps.append(partial(augmentation.rand_augment, ops=int(ops), magnitude=float(magnitude)))
    if cfg.AUG.ERASE:
        steps.append(partial(augmentation.random_erasing, chance=cfg.AUG.ERASE))
    return augmentation.Chain(tuple(steps)) if steps else None


def build_eval_loader(cfg: CfgNode, split: Split | BoxSplit, *, views: bool) -> EvalLoader:
    """Every row once: what a validation shows of it, or with `views` all that a test shows."""
    shape = ClipShape(cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE, cfg.DATA.TEST_CROP_SIZE)
    if views:
        number = {"clips": cfg.TEST.NUM_ENSEMBLE_VIEWS, "crops": cfg.TEST.NUM_SPATIAL_CROPS}
        dataset = split.test(shape, scale=cfg.DATA.TEST_SCALE, **number)
        # images are small: several are read, and go through the network, at once
        rows = max(1, cfg.TEST.BATCH_SIZE // dataset.views) if isinstance(dataset, ViewImages) else 1
    else:
        dataset = split.val(shape, scale=cfg.DATA.TEST_SCALE)
        rows = max(1, cfg.TRAIN.BATCH_SIZE // distributed.world_size())
    return EvalLoader(
        dataset,
        rows,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
        workers=Workers(cfg.DATA_LOADER.NUM_WORKERS, timeout=cfg.DATA_LOADER.TIMEOUT),
    )


def build_prepare(
    cfg: CfgNode, device: torch.device, what: task.Task, *, classes: int = 0
) -> Callable[[Mapping], tuple[tuple[torch.Tensor, ...], torch.Tensor]]:
    """batch -> (what the network takes, what the loss compares with), on the device.

    classes: with a number, clips are mixed as MIXUP says (training); 0 leaves them alone.
    """
    mixing = {"mixup_alpha": cfg.MIXUP.ALPHA, "cutmix_alpha": cfg.MIXUP.CUTMIX_ALPHA}
    mixes = classes > 0 and any(mixing.values())

    def prepare(batch: Mapping) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        clip = transforms.prepare(
            batch["clip"].to(device, non_blocking=True),
            batch.get("flip"),
            cfg.DATA.MEAN,
            cfg.DATA.STD,
            reverse_channels=cfg.DATA.REVERSE_INPUT_CHANNEL,
        )
        target = batch[what.target].to(device, non_blocking=True)
        if mixes:
            soft = target if target.ndim == 2 else augmentation.soft_labels(target, classes)
            clip, target = augmentation.mix(clip, soft, np.random.default_rng(np.random.randint(2**31)), **mixing)
        others = (batch[key].to(device, non_blocking=True) for key in what.inputs if key != "clip")
        return (clip, *others), target

    return prepare


def build_metrics(what: task.Task, data: FixedClips) -> list:
    """The metrics of a task on a dataset."""
    if isinstance(what, task.Classification):
        return [TopK((1, 5))]
    if isinstance(what, task.MultiLabel):
        return [MomentAP() if isinstance(data, MomentClips) else MeanAP()]
    return [build_box_ap(data)]


def build_box_ap(data: KeyframeClips) -> BoxAP:
    """The metric of the boxes of a dataset, against its annotations."""
    boxes, notes, there = data.records.boxes, data.annotations, data.annotations.truth
    return BoxAP(
        Truth(there.frame[there.row], there.box[there.row], there.label, there.empty),
        boxes.frame,
        boxes.box,
        notes.classes,
        first=notes.first,
        excluded=notes.excluded.tolist(),
        groups=AVA_GROUPS if notes.first == 1 else None,
        protocol=notes.protocol,
    )


def watched_figure(what: task.Task) -> str:
    """The figure that says which checkpoint is best."""
    return "top1" if isinstance(what, task.Classification) else "mAP"


# training


def build_task(cfg: CfgNode) -> task.Task:
    """What is learned."""
    return config.call(cfg.TASK, TASKS)


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over the groups of parameters that the SOLVER and BN sections tell apart."""
    groups = optim.parameter_groups(
        model,
        weight_decay=cfg.SOLVER.WEIGHT_DECAY,
        norm_weight_decay=cfg.BN.WEIGHT_DECAY,
        zero_1d=cfg.SOLVER.ZERO_WD_1D_PARAM,
    )
    return config.call(cfg.OPTIM, OPTIMIZERS, groups)


def set_norms(cfg: CfgNode, model: nn.Module) -> None:
    """Give the batch norms the policy of BN.MODE, whose statistics multigrid takes over BN_BASE_SIZE clips."""
    if not is_multigrid(cfg) or cfg.BN.MODE in ("frozen", "sync"):
        convert_norms(model, cfg.BN.MODE, splits=cfg.BN.NUM_SPLITS)
    elif cfg.BN.NUM_SPLITS == 1:
        convert_norms(model, "sub", base=cfg.MULTIGRID.BN_BASE_SIZE)
    else:
        raise ValueError(
            f"BN.NUM_SPLITS is {cfg.BN.NUM_SPLITS}, but the batches of MULTIGRID differ in size: set it to 1, and "
            "MULTIGRID.BN_BASE_SIZE to the clips of a part"
        )


def steps_per_epoch(cfg: CfgNode, rows: int) -> int:
    """Batches of TRAIN.BATCH_SIZE in a training list of so many rows."""
    if rows < cfg.TRAIN.BATCH_SIZE:
        raise ValueError(
            f"the training list has {rows} rows, fewer than one batch of {cfg.TRAIN.BATCH_SIZE}; lower TRAIN.BATCH_SIZE"
        )
    return rows // cfg.TRAIN.BATCH_SIZE


def is_multigrid(cfg: CfgNode) -> bool:
    """Whether batch and clips change from step to step."""
    return cfg.MULTIGRID.LONG_CYCLE or cfg.MULTIGRID.SHORT_CYCLE


def build_schedule(cfg: CfgNode, steps_per_epoch: int) -> schedule.Even | Multigrid:
    """The learning rate of every step, and under MULTIGRID its clips; an epoch is that many full batches."""
    if is_multigrid(cfg):
        return build_multigrid(cfg, items=steps_per_epoch * cfg.TRAIN.BATCH_SIZE)
    return schedule.Even(build_rate(cfg, cfg.SCHEDULE, cfg.SOLVER.MAX_EPOCH), steps_per_epoch, cfg.SOLVER.MAX_EPOCH)


def build_rate(cfg: CfgNode, section: Mapping[str, Any], epochs: int) -> schedule.Rate:
    """The learning rate of every epoch, as a SCHEDULE section says."""
    rate = config.call(
        section,
        SCHEDULES,
        base_lr=cfg.SOLVER.BASE_LR,
        epochs=float(epochs),
        warmup_epochs=cfg.SOLVER.WARMUP_EPOCHS,
        warmup_start_lr=cfg.SOLVER.WARMUP_START_LR,
    )
    if cfg.SOLVER.REFERENCE_BATCH:
        rate = schedule.scaled(rate, cfg.TRAIN.BATCH_SIZE, cfg.SOLVER.REFERENCE_BATCH)
    return rate


def build_multigrid(cfg: CfgNode, items: int) -> Multigrid:
    """The schedule of MULTIGRID: its epochs are EPOCH_FACTOR times as many, its steps lie where its phases end."""
    data, epochs, factor = cfg.DATA, cfg.SOLVER.MAX_EPOCH, cfg.MULTIGRID.EPOCH_FACTOR
    full = Grid(cfg.TRAIN.BATCH_SIZE, data.NUM_FRAMES, data.TRAIN_CROP_SIZE, data.SAMPLING_RATE, data.SAMPLING_RATE)
    shape = {"frames": full.frames, "size": full.size}
    short_factors = SHORT_FACTORS if cfg.MULTIGRID.SHORT_CYCLE else ()
    section = config.thaw(cfg.SCHEDULE)
    if cfg.MULTIGRID.LONG_CYCLE:
        check_long_cycle(cfg)
        steps = [step for step in section["STEPS"] if step < epochs]
        cycles = {"steps": steps, "epochs": epochs, "epoch_factor": factor}
        phases = long_cycle(**shape, **cycles, short_factors=short_factors)
        section["STEPS"], section["LRS"] = relative_lrs(phases, section["LRS"])
    else:
        phases = [Phase(0, 1, **shape, end_epoch=int(epochs * factor))]
        section |= {"STEPS": [int(step * factor) for step in section["STEPS"]]} if "STEPS" in section else {}
    rate = build_rate(cfg, section, phases[-1].end_epoch)
    return Multigrid(phases, rate, items=items, full=full, short_factors=short_factors)


def check_long_cycle(cfg: CfgNode) -> None:
    """ValueError unless the run has clips, and a learning rate of steps."""
    if VARIANTS[cfg.MODEL.NAME].dims != 3:
        raise ValueError(
            f"MULTIGRID.LONG_CYCLE shortens clips, but {cfg.MODEL.NAME} takes images: set MULTIGRID.SHORT_CYCLE alone"
        )
    if cfg.SCHEDULE.NAME != "steps":
        raise ValueError(
            "MULTIGRID.LONG_CYCLE goes through its shapes between the steps of the learning rate: set SCHEDULE.NAME "
            f"steps with STEPS and LRS, not {cfg.SCHEDULE.NAME}"
        )
    build_rate(cfg, cfg.SCHEDULE, cfg.SOLVER.MAX_EPOCH)
