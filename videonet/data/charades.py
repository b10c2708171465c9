"""Charades (Sigurdsson et al., ECCV 2016): frame lists, or videos with the official annotations; several labels each.

The labels of a training clip are those between its first and last frame, the labels of a video all of it: `segments`
has both.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videonet.data.annotation import Problems, check_present, open_annotation, some, video_files
from videonet.data.frame_list import FrameLists, read_frame_list
from videonet.data.records import Records
from videonet.data.segments import Segments

NUM_CLASSES = 157


@dataclass(frozen=True)
class ActionVideos:
    """Videos with actions in time: videos (a label row is the union over the video), segments, lengths in seconds."""

    videos: Records
    segments: Segments
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.videos)


def read_charades_frames(
    path: str | Path, *, root: str | Path = "", num_classes: int = NUM_CLASSES, problems: list[str] | None = None
) -> FrameLists:
    """The frame list of a split, with labels; `root` is the folder of the frames. See `read_frame_list`."""
    return read_frame_list(path, root=root, num_classes=num_classes, problems=problems)


def read_charades_videos(
    path: str | Path,
    root: str | Path,
    *,
    num_classes: int = NUM_CLASSES,
    classes: tuple[str, ...] | None = None,
    may_miss: float = 0.0,
    problems: list[str] | None = None,
) -> ActionVideos:
    """The videos below `root` of an official file (Charades_v1_train.csv, Charades_v1_test.csv).

    Its columns `id`, `actions` (`c092 11.90 21.20;c147 0.00 12.60`) and `length` are used. Broken rows are left out and
    described in `problems`, or raise AnnotationError when no such list is given; ValueError names videos that are not
    there, if they are more than a share `may_miss`; else they stay in the list, and are missing where they are read.
    """
    rows = read_actions(path, num_classes=num_classes, problems=problems)
    files = video_files(root)
    if not rows:
        raise ValueError(f"{path}: no videos; expected the columns id, actions and length, and a row a video")
    check_present(path, [name for name in rows if name not in files], len(rows), root, may_miss)
    lines, seconds, actions = zip(*rows.values())
    segments = Segments.pack(actions, num_classes)
    paths = [files.get(name) or os.path.join(root, f"{name}.mp4") for name in rows]
    videos = Records.pack(paths, segments.union(), lines, source=path, classes=classes)
    return ActionVideos(videos, segments, np.array(seconds))


def read_actions(
    path: str | Path, *, num_classes: int = NUM_CLASSES, problems: list[str] | None = None
) -> dict[str, tuple[int, float, list[tuple[int, float, float]]]]:
    """Of an official file, by the id of each video: line, seconds, and (class, start, end) of its actions.

    Problems are handled as in `read_charades_videos`.
    """
    broken, rows = Problems(problems), {}
    for number, row in _rows(path):
        try:
            if row["id"] in rows:
                raise ValueError(f"video {row['id']} is already on line {rows[row['id']][0]}")
            rows[row["id"]] = number, _seconds(row["length"]), _actions(row["actions"], num_classes)
        except ValueError as error:
            broken.add(path, number, error)
    broken.finish()
    return rows


def read_charades_classes(path: str | Path) -> tuple[str, ...]:
    """Class names of Charades_v1_classes.txt: `c000 Holding some clothes`, in the order of the numbers."""
    broken, names = Problems(), []
    with open_annotation(path) as file:
        for number, line in enumerate(file.read().decode("utf-8", "replace").splitlines(), 1):
            code, _, name = line.strip().partition(" ")
            if code != f"c{len(names):03d}" or not name:
                broken.add(path, number, f"expected `c{len(names):03d} name`, not {line.strip()!r}")
                break
            names.append(name.strip())
    broken.finish()
    return tuple(names)


def _rows(path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields of each row."""
    with open_annotation(path) as file:
        reader = csv.DictReader(io.TextIOWrapper(file, "utf-8", "replace", newline=""))
        lacking = [name for name in ("id", "actions", "length") if name not in (reader.fieldnames or ())]
        if lacking:
            raise ValueError(f"{path}:1: no column {some(lacking)}; expected Charades_v1_train.csv or _test.csv")
        for row in reader:
            yield reader.line_num, {key: value or "" for key, value in row.items() if key}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = np.nan
    if not 0 < seconds < np.inf:
        raise ValueError(f"length is {text!r}, not a number of seconds")
    return seconds


def _actions(text: str, num_classes: int) -> list[tuple[int, float, float]]:
    """`c092 11.90 21.20;c147 0.00 12.60` -> (class, start, end)."""
    actions = []
    for part in text.split(";") if text.strip() else ():
        found = re.fullmatch(r"\s*c(\d+) (\d+\.?\d*) (\d+\.?\d*)\s*", part)
        if not found:
            raise ValueError(f"an action is `c092 11.90 21.20` (class, start, end), not {part.strip()!r}")
        label = int(found[1])
        if label >= num_classes:
            raise ValueError(f"action c{found[1]} is out of range: {num_classes} classes are 0 to {num_classes - 1}")
        actions.append((label, float(found[2]), float(found[3])))
    return actions
