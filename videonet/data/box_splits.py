"""Splits of the datasets of boxes: AVA's files, and plain box lists of anybody's videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from videonet.data import ava as ava_files
from videonet.data.annotations import Annotations
from videonet.data.box_list import read_box_list
from videonet.data.box_split import BoxSplit
from videonet.data.boxes import Boxes
from videonet.data.frame_list import read_frame_list
from videonet.data.frame_video import FrameVideos
from videonet.data.keyframes import keyframes
from videonet.data.kinetics import read_classes
from videonet.data.split import USUAL, Reading


def ava(
    folder: str | Path,
    split: str,
    reading: Reading = USUAL,
    *,
    frame_list_dir: str = "frame_lists",
    annotation_dir: str = "annotations",
    train_gt_box_lists: Sequence[str] = ("ava_train_v2.2.csv",),
    train_predict_box_lists: Sequence[str] = (),
    test_predict_box_lists: Sequence[str] = ("ava_val_predicted_boxes.csv",),
    detection_score_thresh: float = 0.9,
    label_map_file: str = "ava_action_list_v2.2_for_activitynet_2019.pbtxt",
    exclusion_file: str = "ava_val_excluded_timestamps_v2.2.csv",
    groundtruth_file: str = "ava_val_v2.2.csv",
    video_start: float = 900.0,
    val_every: int = 4,
    test_force_flip: bool = False,
    protocol: str = "recommended",
) -> BoxSplit:
    """AVA v2.1 and v2.2, laid out and named as PySlowFast has it: frames/, frame_lists/ and annotations/ in the folder.

    Images are below DATA.PATH_PREFIX (frames/). Without a frame list videos are there, that begin at second
    `video_start`; or in videos_15min/, cut from second 900 as PySlowFast cuts them, or whole in videos/. Training takes
    the annotated boxes, and those of train_predict_box_lists; a test, on val, the boxes of test_predict_box_lists above
    the threshold, or the annotated ones where there is no such list. val_every: seconds between the keyframes of a
    validation while training. protocol: of the evaluation.
    """
    notes = Path(folder) / annotation_dir
    place, opener = ava_videos(Path(folder), frame_list_dir, split, reading, video_start)
    label_map, minimum = notes / label_map_file, detection_score_thresh
    if split == "train":
        annotated, predicted = ([notes / n for n in names] for names in (train_gt_box_lists, train_predict_box_lists))
        given = {"annotated": annotated, "predicted": predicted, "minimum": minimum, "label_map": label_map}
        return BoxSplit(ava_files.ava_keyframes(**given, **place), opener, target_fps=reading.target_fps)
    truth, excluded = notes / groundtruth_file, notes / exclusion_file if exclusion_file else None
    predicted = [notes / name for name in test_predict_box_lists]
    given = {"annotated": () if predicted else [truth], "predicted": predicted, "minimum": minimum}
    items = ava_files.ava_keyframes(**given, excluded=excluded, label_map=label_map, **place)
    ids = np.empty(0, np.int64) if excluded is None else ava_files.read_exclusions(excluded)
    names, truth = ava_files.read_label_map(label_map), ava_files.read_truth(truth)
    annotations = Annotations(truth, names, first=1, excluded=ids, protocol=protocol)
    settings = {"val_every": val_every, "flip": test_force_flip, "target_fps": reading.target_fps}
    return BoxSplit(items, opener, annotations, labelled=not predicted, **settings)


def ava_videos(
    folder: Path, frame_list_dir: str, split: str, reading: Reading, video_start: float
) -> tuple[dict[str, object], Callable]:
    """Where `ava_keyframes` finds the videos of a split, as its arguments, and what opens one."""
    settings = {"num_classes": reading.num_classes or ava_files.NUM_CLASSES, "may_miss": reading.may_miss}
    frame_list = folder / frame_list_dir / ("train.csv" if split == "train" else "val.csv")
    if frame_list.is_file():
        frames = read_frame_list(frame_list, root=reading.prefix or folder / "frames")
        return {"frames": frames, **settings}, FrameVideos(frames, ava_files.FPS)
    places = {reading.prefix: video_start} if reading.prefix else {}
    places = places or {folder / "videos_15min": ava_files.FIRST_SECOND, folder / "videos": 0.0}
    for videos, start in places.items():
        if Path(videos).is_dir():
            return {"videos": videos, "start": start, **settings}, reading.video
    where = " or ".join(map(str, places))
    raise ValueError(f"{folder}: there is neither the frame list {frame_list} nor a folder of videos, {where}")


def boxes(
    folder: str | Path,
    split: str,
    reading: Reading = USUAL,
    *,
    predicted: str = "",
    detection_score_thresh: float = 0.8,
    val_every: int = 1,
    test_force_flip: bool = False,
    protocol: str = "recommended",
) -> BoxSplit:
    """Plain box lists train.csv, val.csv and test.csv (`data.box_list`) of the videos below `prefix`, or the folder.

    predicted: name of the list of a detector's boxes that a test scores, `{split}` in it standing for val or test, such
    as "{split}_people.csv"; those above the threshold count. Without one, the annotated boxes are scored.
    """
    folder, num_classes = Path(folder), reading.num_classes
    classes = read_classes(folder / "classes.txt")
    if split != "train" and classes is None:
        train = read_box_list(folder / "train.csv")  # names are numbered in the order of the training list
        classes, num_classes = train.classes, num_classes or train.num_classes
    truth = read_box_list(folder / f"{split}.csv", classes=classes)
    place = {"videos": reading.prefix or folder, "num_classes": num_classes, "may_miss": reading.may_miss}
    if split == "train":
        return BoxSplit(keyframes([truth], **place), reading.video, target_fps=reading.target_fps)
    place["num_classes"] = num_classes or truth.num_classes
    names = dict(enumerate(truth.classes or map(str, range(place["num_classes"]))))
    scored = truth
    if predicted:
        path = folder / predicted.replace("{split}", split)
        scored = above(read_box_list(path, classes=classes), detection_score_thresh)
        scored = replace(scored, classes=truth.classes)
    settings = {"val_every": val_every, "flip": test_force_flip, "target_fps": reading.target_fps}
    annotations = Annotations(truth, names, protocol=protocol)
    return BoxSplit(keyframes([scored], **place), reading.video, annotations, labelled=not predicted, **settings)


def above(boxes: Boxes, minimum: float) -> Boxes:
    """The boxes with a score of at least `minimum`."""
    best = np.full(len(boxes), -np.inf)
    np.maximum.at(best, boxes.row, boxes.score)
    return boxes.select(best >= minimum, "score")
