"""The data of a PySlowFast config: TRAIN.DATASET, DATA and AVA as our DATA, and what a test shows of it."""

from __future__ import annotations

import os

from videonet.cli.pyslowfast.keys import AVA, DATASETS
from videonet.cli.pyslowfast.settings import Ours, Theirs

NORMALISED_AS_BGR = ("ava", "charades", "ssv2")  # frames as OpenCV reads them, whatever the network sees
TASKS = {"charades": "multi_label", "ssv2": "classification", "imagenet": "classification"}


def data(theirs: Theirs) -> Ours:
    """DATA: the format of the lists, what its reader is told, and the order of the colours."""
    name, test = theirs.read("TRAIN.DATASET").lower(), theirs.read("TEST.DATASET").lower()
    if name not in DATASETS:
        raise theirs.refuse("TRAIN.DATASET", f"there is no reader for it; there are {', '.join(DATASETS)}")
    if test != name and "TEST.DATASET" in theirs.set:
        raise theirs.refuse("TEST.DATASET", f"a config here has one dataset, and TRAIN.DATASET is {name!r}")
    if theirs.read("TEST.NUM_ENSEMBLE_VIEWS") < 1:
        raise theirs.refuse("TEST.NUM_ENSEMBLE_VIEWS", "a test here has one number of views; run it once for each")
    kind, _ = DATASETS[name]
    check_network(theirs, kind)
    offset = theirs.read("DATA.USE_OFFSET_SAMPLING")
    ours: Ours = {"DATA.NAME": kind, "DATA.TEST_SPAN": "offset" if offset else "published", **colours(theirs, name)}
    return ours | READERS[kind](theirs)


def check_network(theirs: Theirs, kind: str) -> None:
    """The error of a network or a loss that is not for this dataset."""
    detects = theirs.read("DETECTION.ENABLE")
    if detects != (kind == "ava"):
        raise theirs.refuse("DETECTION.ENABLE", f"boxes are scored on ava, and TRAIN.DATASET is {kind!r}")
    if (theirs.read("MODEL.ARCH") == "2d") != (kind == "imagenet"):
        raise theirs.refuse("MODEL.ARCH", f"2d is for imagenet, the others for clips, and TRAIN.DATASET is {kind!r}")
    binary = theirs.read("MODEL.LOSS_FUNC").startswith("bce")
    if TASKS.get(kind) == ("classification" if binary else "multi_label"):
        labels = "one label each: cross_entropy" if binary else "several labels each: bce_logit"
        raise theirs.refuse("MODEL.LOSS_FUNC", f"the items of {kind} have {labels}")


def colours(theirs: Theirs, name: str) -> Ours:
    """DATA.REVERSE_INPUT_CHANNEL: whether the network sees blue green red; frames here are red green blue, as MEAN."""
    kind, opencv = DATASETS[name]
    reverse, blue_first = theirs.read("DATA.REVERSE_INPUT_CHANNEL"), kind == "ava" and theirs.read("AVA.BGR")
    bgr = (opencv or blue_first) != reverse
    if opencv:
        theirs.warn(
            "DATA.REVERSE_INPUT_CHANNEL",
            f"PySlowFast reads the frames of {name} as BGR, so its network sees {'BGR' if bgr else 'RGB'}; "
            f"frames here are RGB: the key becomes {str(bgr).lower()}",
        )
    ours: Ours = {"DATA.REVERSE_INPUT_CHANNEL": bgr}
    for key in ("DATA.MEAN", "DATA.STD"):
        values = theirs.read(key)
        if name in NORMALISED_AS_BGR and len(set(values)) > 1:
            ours[key] = list(values)[::-1]
            theirs.warn(
                key, f"PySlowFast takes it as blue green red for {name}; here it is red green blue: {ours[key]}"
            )
    return ours


def kinetics(theirs: Theirs) -> Ours:
    """Lists of videos. With one crop a test scales the short side as training does at least; pytorchvideo always."""
    ours: Ours = {"DATA.SAMPLING": "clip"}
    separator = theirs.read("DATA.PATH_LABEL_SEPARATOR")
    least, size = theirs.read("DATA.TRAIN_JITTER_SCALES")[0], theirs.read("DATA.TEST_CROP_SIZE")
    always = theirs.read("TRAIN.DATASET").lower().startswith("ptv")
    if (always or theirs.read("TEST.NUM_SPATIAL_CROPS") == 1) and least > size:
        ours["DATA.TEST_SCALE"] = least
    return ours | ({"DATA.SEPARATOR": separator} if separator != " " else {})


def charades(theirs: Theirs) -> Ours:
    """Frame lists; frames at exact strides, whatever the rate of the video."""
    return {"DATA.SAMPLING": "strided"}


def ssv2(theirs: Theirs) -> Ours:
    """The official JSON files and frame lists; one frame of each of NUM_FRAMES segments."""
    if theirs.read("TEST.NUM_ENSEMBLE_VIEWS") > 1:
        theirs.warn("TEST.NUM_ENSEMBLE_VIEWS", "PySlowFast shows the same clip in every view of ssv2: 1 view is shown")
    if theirs.read("DATA.RANDOM_FLIP"):
        theirs.warn("DATA.RANDOM_FLIP", "a mirrored clip of a class named left or right gets the label of the other")
    return {"DATA.SAMPLING": "segments", "TEST.NUM_ENSEMBLE_VIEWS": 1}


def imagenet(theirs: Theirs) -> Ours:
    """Class folders, or json lists; one centre crop of each image in a test."""
    size, short = theirs.read("DATA.TEST_CROP_SIZE"), theirs.read("DATA.TRAIN_CROP_SIZE")
    ours: Ours = {"TEST.NUM_ENSEMBLE_VIEWS": 1, "TEST.NUM_SPATIAL_CROPS": 1}
    for key in ours:
        if key in theirs.set and theirs.read(key) != 1:
            theirs.warn(key, "PySlowFast shows the centre crop of an image alone: it becomes 1")
    lists = theirs.read("DATA.PATH_TO_PRELOAD_IMDB")
    if lists:
        ours["DATA.PATH_TO_DATA_DIR"] = lists
    ratio = theirs.read("DATA.IN_VAL_CROP_RATIO")
    if not ratio:
        raise theirs.refuse("DATA.IN_VAL_CROP_RATIO", "an image keeps its shape when it is scaled; 0.875 is usual")
    if theirs.read("AUG.ENABLE"):
        return ours | {"DATA.TEST_SCALE": int(size / ratio)}
    if short >= size:
        return ours | {"DATA.TEST_SCALE": short}
    theirs.warn(
        "DATA.TEST_CROP_SIZE",
        f"PySlowFast scales an image to {short} and cannot cut {size} from that; here it is scaled to {size}, and the "
        f"centre of {short} is cut",
    )
    return ours | {"DATA.TEST_SCALE": size, "DATA.TEST_CROP_SIZE": short}


def ava(theirs: Theirs) -> Ours:
    """Frames, frame lists and annotations, each in a folder of its own; keyframes have one view of whole frames."""
    ours: Ours = {name: theirs.read(key) for key, (name, _) in AVA.items()}
    ours["DATA.VAL_EVERY"] = 1 if theirs.read("AVA.FULL_TEST_ON_VAL") else 4
    ours |= {"TEST.NUM_ENSEMBLE_VIEWS": 1, "TEST.NUM_SPATIAL_CROPS": 1}
    for key in ("TEST.NUM_ENSEMBLE_VIEWS", "TEST.NUM_SPATIAL_CROPS"):
        if key in theirs.set and theirs.read(key) != 1:
            theirs.warn(key, "PySlowFast has one view of a keyframe: it becomes 1")
    if not theirs.read("AVA.TEST_PREDICT_BOX_LISTS"):
        theirs.warn("AVA.TEST_PREDICT_BOX_LISTS", "without boxes of a detector, the annotated ones are scored")
    return ours | places(theirs)


def places(theirs: Theirs) -> Ours:
    """The folders of AVA: PySlowFast's start where the run does, those here in DATA.PATH_TO_DATA_DIR if it is set."""
    root, frames = theirs.read("DATA.PATH_TO_DATA_DIR"), theirs.read("AVA.FRAME_DIR")
    named = {f"DATA.{key}": theirs.read(f"AVA.{key}") for key in ("FRAME_LIST_DIR", "ANNOTATION_DIR")}
    ours = {key: os.path.abspath(folder) if root else folder for key, folder in named.items() if folder}
    if ours and not root:
        ours["DATA.PATH_TO_DATA_DIR"] = "."
    return ours | ({"DATA.PATH_PREFIX": frames} if frames else {})


READERS = {"kinetics": kinetics, "charades": charades, "ssv2": ssv2, "imagenet": imagenet, "ava": ava}
