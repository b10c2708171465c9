"""The recipe of a PySlowFast config: head, norms, data, augmentation, training, optimizer and schedule."""

from __future__ import annotations

import re

from videonet.cli.pyslowfast.datasets import data
from videonet.cli.pyslowfast.keys import DATASETS
from videonet.cli.pyslowfast.settings import Ours, Theirs

MODES = {"batchnorm": "train", "sub_batchnorm": "sub", "sync_batchnorm": "sync", "sync_batchnorm_apex": "sync"}
OPTIMIZERS = {"sgd": "sgd", "adam": "adam", "adamw": "adamw", "mt_adamw": "adamw"}
LIGHTING = 0.1  # as PySlowFast's readers have it
AUGMENTED = ("kinetics", "imagenet")
RAND_AUGMENT = re.compile(r"rand-m(\d+)(?:-n(\d+))?(?:-mstd([\d.]+))?(-inc1)?$")


def head(theirs: Theirs) -> Ours:
    """HEAD and TASK: what is learned, and what the head is like."""
    loss, activation, detection = (
        theirs.read(key) for key in ("MODEL.LOSS_FUNC", "MODEL.HEAD_ACT", "DETECTION.ENABLE")
    )
    if loss not in ("cross_entropy", "soft_cross_entropy", "bce", "bce_logit"):
        raise theirs.refuse("MODEL.LOSS_FUNC", "it must be cross_entropy, soft_cross_entropy, bce or bce_logit here")
    binary = loss.startswith("bce")
    if activation != ("sigmoid" if binary else "softmax"):
        raise theirs.refuse(
            "MODEL.HEAD_ACT", f"scores of the loss {loss} are a {'sigmoid' if binary else 'softmax'} here"
        )
    theirs.read("DATA.MULTI_LABEL")
    ours: Ours = {"TASK.NAME": "multi_label" if binary else "classification"}
    if detection:
        ours = {"TASK.NAME": "action_detection", "TASK.LOSS": "bce" if binary else "ce", "HEAD.NAME": "roi"}
        ours |= {
            "HEAD.ALIGNED": theirs.read("DETECTION.ALIGNED"),
            "HEAD.STRIDE": theirs.read("DETECTION.SPATIAL_SCALE_FACTOR"),
            "HEAD.RESOLUTION": theirs.read("DETECTION.ROI_XFORM_RESOLUTION"),
        }
    elif theirs.read("MODEL.ARCH") == "x3d":
        ours["HEAD.HIDDEN"] = theirs.read("X3D.DIM_C5")
    return ours


def norms(theirs: Theirs) -> Ours:
    """BN: the policy of the norms. All of PySlowFast's have an epsilon of 1e-5."""
    kind = theirs.read("BN.NORM_TYPE")
    if kind not in MODES:
        raise theirs.refuse("BN.NORM_TYPE", f"it must be one of {', '.join(MODES)}")
    frozen = theirs.read("MODEL.FROZEN_BN")
    mode = "frozen" if frozen else MODES[kind]
    splits, devices = theirs.read("BN.NUM_SPLITS"), theirs.read("BN.NUM_SYNC_DEVICES")
    everywhere = theirs.read("BN.GLOBAL_SYNC")
    if mode == "sync" and not everywhere and devices != theirs.read("NUM_GPUS") * theirs.read("NUM_SHARDS"):
        theirs.warn("BN.NUM_SYNC_DEVICES", "synchronised statistics are over all processes here")
    return {"BN.MODE": mode, "BN.NUM_SPLITS": splits if mode == "sub" else 1, "BN.EPS": 1e-5}


def augmentation(theirs: Theirs) -> Ours:
    """AUG and MIXUP, which count in PySlowFast where they are enabled, and what its readers do without them."""
    ours: Ours = {"AUG.COLOR_JITTER": 0.0, "AUG.RAND_AUGMENT": "", "AUG.ERASE": 0.0}
    jitter, kind, erase = (theirs.read(f"AUG.{key}") for key in ("COLOR_JITTER", "AA_TYPE", "RE_PROB"))
    dataset, _ = DATASETS[theirs.read("TRAIN.DATASET").lower()]
    enabled = theirs.read("AUG.ENABLE")
    if enabled and dataset not in AUGMENTED:
        theirs.warn("AUG.ENABLE", f"PySlowFast does not augment {dataset}, so it is not done here")
    elif enabled:
        ours = {"AUG.COLOR_JITTER": jitter, "AUG.RAND_AUGMENT": rand_augment(theirs, kind), "AUG.ERASE": erase}
    elif dataset == "imagenet":
        ours["AUG.LIGHTING"] = LIGHTING
    if dataset == "ava" and theirs.read("AVA.TRAIN_USE_COLOR_AUGMENTATION"):
        ours |= {"AUG.LIGHTING": LIGHTING}
        ours |= {} if theirs.read("AVA.TRAIN_PCA_JITTER_ONLY") else {"AUG.COLOR_JITTER": 0.4}
    alpha, cutmix, smooth = (theirs.read(f"MIXUP.{key}") for key in ("ALPHA", "CUTMIX_ALPHA", "LABEL_SMOOTH_VALUE"))
    if not theirs.read("MIXUP.ENABLE"):
        return ours | {"MIXUP.ALPHA": 0.0, "MIXUP.CUTMIX_ALPHA": 0.0}
    return ours | {"MIXUP.ALPHA": alpha, "MIXUP.CUTMIX_ALPHA": cutmix, "TASK.LABEL_SMOOTHING": smooth}


def rand_augment(theirs: Theirs, kind: str) -> str:
    """timm's name of a RandAugment as ours: operations and magnitude."""
    if not kind:
        return ""
    found = RAND_AUGMENT.match(kind)
    if not found:
        raise theirs.refuse("AUG.AA_TYPE", "it must be a RandAugment such as rand-m9-n2")
    if found[3] or found[4]:
        theirs.warn("AUG.AA_TYPE", "the magnitude is the same in every draw (no mstd, no inc1)")
    return f"{found[2] or 2}-{found[1]}"


def training(theirs: Theirs) -> Ours:
    """TRAIN: batch, precision and the weights to start from."""
    shards, processes = theirs.read("NUM_SHARDS"), theirs.read("NUM_GPUS")
    if processes * shards > 1:
        theirs.warn("NUM_GPUS", "torchrun says how many processes there are: torchrun --nproc_per_node N")
    path, reset = theirs.read("TRAIN.CHECKPOINT_FILE_PATH"), theirs.read("TRAIN.CHECKPOINT_EPOCH_RESET")
    tested = theirs.read("TEST.CHECKPOINT_FILE_PATH")
    if path and not theirs.read("TRAIN.ENABLE"):
        tested = tested or path
    elif path and not reset:
        theirs.warn(
            "TRAIN.CHECKPOINT_FILE_PATH", "a start from its weights at epoch 0 (OUTPUT_DIR is what a run resumes)"
        )
    clear = theirs.read("TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN")
    if any(pattern != "backbone." for pattern in clear):
        raise theirs.refuse("TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", "only 'backbone.' is taken off the names of weights")
    return {
        "TRAIN.BATCH_SIZE": theirs.read("TRAIN.BATCH_SIZE") * shards,
        "TRAIN.PRECISION": "fp16" if theirs.read("TRAIN.MIXED_PRECISION") else "fp32",
        "TRAIN.INIT_FROM": path,
        "TEST.CHECKPOINT_FILE_PATH": tested,
        "TRAIN.INFLATE": "mean" if theirs.read("TRAIN.CHECKPOINT_INFLATE") else "",
    }


def optimizer(theirs: Theirs) -> Ours:
    """OPTIM."""
    method = theirs.read("SOLVER.OPTIMIZING_METHOD")
    if method not in OPTIMIZERS:
        raise theirs.refuse("SOLVER.OPTIMIZING_METHOD", f"it must be one of {', '.join(OPTIMIZERS)}")
    momentum, dampening, nesterov, betas, lars = (
        theirs.read(f"SOLVER.{key}") for key in ("MOMENTUM", "DAMPENING", "NESTEROV", "BETAS", "LARS_ON")
    )
    if lars and method == "sgd":
        return {"OPTIM.NAME": "lars", "OPTIM.MOMENTUM": momentum}
    if lars:
        raise theirs.refuse("SOLVER.LARS_ON", f"LARS goes with sgd, not with {method}")
    if method != "sgd":
        return {"OPTIM.NAME": OPTIMIZERS[method], "OPTIM.BETAS": list(betas)}
    settings = {"MOMENTUM": momentum, "DAMPENING": dampening, "NESTEROV": nesterov}
    return {"OPTIM.NAME": "sgd", **{f"OPTIM.{key}": value for key, value in settings.items()}}


def schedule(theirs: Theirs) -> Ours:
    """SCHEDULE and the learning rates, which PySlowFast can scale by the number of machines."""
    policy = theirs.read("SOLVER.LR_POLICY")
    scale = theirs.read("NUM_SHARDS") if theirs.read("SOLVER.BASE_LR_SCALE_NUM_SHARDS") else 1
    end, after = theirs.read("SOLVER.COSINE_END_LR") * scale, theirs.read("SOLVER.COSINE_AFTER_WARMUP")
    steps, lrs = theirs.read("SOLVER.STEPS"), theirs.read("SOLVER.LRS")
    rates = {key: theirs.read(f"SOLVER.{key}") * scale for key in ("BASE_LR", "WARMUP_START_LR")}
    ours: Ours = {f"SOLVER.{key}": value for key, value in rates.items()}
    if policy == "cosine":
        return ours | {"SCHEDULE.NAME": "cosine", "SCHEDULE.END_LR": end, "SCHEDULE.AFTER_WARMUP": after}
    if policy == "steps_with_relative_lrs":
        return ours | {"SCHEDULE.NAME": "steps", "SCHEDULE.STEPS": list(steps), "SCHEDULE.LRS": list(lrs)}
    raise theirs.refuse("SOLVER.LR_POLICY", "it must be cosine or steps_with_relative_lrs here")


PARTS = (head, norms, data, augmentation, training, optimizer, schedule)
