"""Splits of the datasets of labelled videos and images, in the formats that PySlowFast reads and the official ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from videonet.data import charades as charades_files
from videonet.data import ssv2 as ssv2_files
from videonet.data.frame_list import FrameLists
from videonet.data.frame_video import FrameVideos
from videonet.data.imagenet import read_images
from videonet.data.images import Image
from videonet.data.kinetics import read_classes, read_split, root_of
from videonet.data.records import Record
from videonet.data.segments import Segments
from videonet.data.split import USUAL, ImageSplit, MomentSplit, Reading, Split
from videonet.data.video import Video


def kinetics(
    folder: str | Path,
    split: str,
    reading: Reading = USUAL,
    *,
    separator: str = " ",
    sampling: str = "clip",
) -> Split:
    """Lists of `path label` lines, train.csv, val.csv and test.csv: Kinetics, and any videos of one label each."""
    records = read_split(folder, split, **given(split, reading, separator))
    return Split(records, reading.video, reading.rules(sampling))


def imagenet(
    folder: str | Path,
    split: str,
    reading: Reading = USUAL,
    *,
    separator: str = " ",
    pad: int = 0,
) -> ImageSplit:
    """Images: class folders, lists, PySlowFast's json, CIFAR or idx files (`imagenet.read_images`).

    pad: black pixels around training images, for random crops as usual on CIFAR.
    """
    records = read_images(folder, split, **given(split, reading, separator))
    return ImageSplit(records, partial(Image, pad=pad if split == "train" else 0), reading.rules("clip"))


def given(split: str, reading: Reading, separator: str) -> dict[str, object]:
    """The settings that readers of `path label` lists share."""
    training = split == "train"
    return {
        "prefix": reading.prefix,
        "num_classes": reading.num_classes,
        "training": training,
        "separator": separator,
    }


def charades(
    folder: str | Path,
    split: str,
    reading: Reading = USUAL,
    *,
    sampling: str = "strided",
    localise: bool = False,
) -> Split:
    """Charades: frame lists train.csv and val.csv (images below `prefix`), or else the official Charades_v1_train.csv
    and Charades_v1_test.csv (videos below `prefix`, or the folder). A test is on val.

    localise: test at moments of each video, 25 in the official protocol, instead of on whole videos.
    """
    folder = Path(folder)
    classes = charades_names(folder)
    num_classes = reading.num_classes or len(classes or ()) or charades_files.NUM_CLASSES
    listed, official = ("train", "train") if split == "train" else ("val", "test")
    frames, videos = folder / f"{listed}.csv", folder / f"Charades_v1_{official}.csv"
    if frames.is_file():
        lists = rooted(charades_files.read_charades_frames(frames, num_classes=num_classes), reading.prefix)
        records, segments, opener = lists.videos, lists.segments, FrameVideos(lists)
    elif videos.is_file():
        settings = {"num_classes": num_classes, "may_miss": reading.may_miss}
        found = charades_files.read_charades_videos(videos, reading.prefix or folder, **settings)
        records, segments, opener = found.videos, found.segments, reading.video
    else:
        raise ValueError(f"{folder}: expected the frame list {frames.name} or the official {videos.name}")
    records, in_seconds = replace(records, classes=classes), not frames.is_file()
    parts = records, opener, reading.rules(sampling), SegmentLabels(segments, in_seconds)
    if localise and split != "train":
        return MomentSplit(*parts, segments=segments, in_seconds=in_seconds)
    return Split(*parts)


def charades_names(folder: Path) -> tuple[str, ...] | None:
    """The names of the classes, from the official file or classes.txt."""
    official = folder / "Charades_v1_classes.txt"
    return (
        charades_files.read_charades_classes(official) if official.is_file() else read_classes(folder / "classes.txt")
    )


def ssv2(
    folder: str | Path,
    split: str,
    reading: Reading = USUAL,
    *,
    sampling: str = "segments",
) -> Split:
    """Something-Something V2: something-something-v2-{labels,train,validation}.json (or labels/{labels,...}.json) with
    frame lists train.csv and val.csv (images below `prefix`), or else ID.webm videos below `prefix` or the folder.

    A test is on val. Classes whose names differ in left and right are exchanged in mirrored clips.
    """
    folder = Path(folder)
    part, listed = ("train", "train") if split == "train" else ("validation", "val")
    templates, labels = official_json(folder, "labels"), official_json(folder, part)
    frames, settings = folder / f"{listed}.csv", {"num_classes": reading.num_classes, "may_miss": reading.may_miss}
    if frames.is_file():
        lists = ssv2_files.read_ssv2_frames(labels, templates, frames, **settings)
        lists = rooted(lists, reading.prefix)
        records, opener = lists.videos, FrameVideos(lists)
    else:
        place = reading.prefix or folder
        records = ssv2_files.read_ssv2_videos(labels, templates, place, **settings)
        opener = reading.video
    mirrored = ssv2_files.mirrored_classes(records.classes)
    return Split(records, opener, reading.rules(sampling), mirrored=mirrored)


@dataclass(frozen=True)
class SegmentLabels:
    """The label of a clip: the actions between its first and last frame, of frames or (`in_seconds`) of seconds."""

    segments: Segments
    in_seconds: bool = False

    def __call__(self, record: Record, video: Video, indices: np.ndarray) -> np.ndarray:
        ends = np.array([indices.min(), indices.max()])
        start, end = video.times[ends] - video.times[0] if self.in_seconds else ends
        return self.segments.between(record.row, float(start), float(end))


def rooted(lists: FrameLists, prefix: str) -> FrameLists:
    """Frame lists whose images are below `prefix`; without one, beside the list or where the run starts."""
    first = os.fsdecode(lists.listed(int(lists.counts.argmax()))[0])
    return replace(lists, root=prefix or root_of(Path(lists.videos.source), first))


def official_json(folder: Path, part: str) -> Path:
    """The file of labels, train or validation under either of its names."""
    places = (folder / f"something-something-v2-{part}.json", folder / "labels" / f"{part}.json")
    return next((place for place in places if place.is_file()), places[0])
