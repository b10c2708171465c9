"""AVA v2.1 and v2.2 (Gu et al., CVPR 2018): the official CSV files, label maps and exclusions.

Rows are `video,second,x1,y1,x2,y2` and then an action id from 1 and a person id (annotations), or an action id that may
be empty and a score (predictions). Seconds count from the start of the film; 902 to 1798 are annotated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from videonet.data.annotation import Problems, open_annotation
from videonet.data.box_rows import read_rows
from videonet.data.boxes import Boxes, keyframe_id
from videonet.data.frame_list import FrameLists
from videonet.data.keyframes import Keyframes, keyframes

SECONDS = (902, 1798)
FIRST_SECOND = 900  # frames and cut clips begin here
FPS = 30.0
NUM_CLASSES = 80


def read_label_map(path: str | Path) -> dict[int, str]:
    """Action id -> name of the classes that are evaluated: a map of `name: "..."` and `id:` or `label_id:` lines."""
    broken, names = Problems(), {}
    name = None
    with open_annotation(path) as file:
        for number, line in enumerate(file, 1):
            found = re.match(r'\s*(name|id|label_id)\s*:\s*"?(.*?)"?\s*$', line.decode("utf-8", "replace"))
            if found is None:
                continue
            key, value = found.groups()
            if key == "name":
                name = value
            elif not value.isdigit() or int(value) < 1:
                broken.add(path, number, f"the {key} of a class is a whole number from 1, not {value!r}")
            elif name is None:
                broken.add(path, number, f"class {value} has no `name:` line before its {key}")
            elif int(value) in names:
                broken.add(path, number, f"class {value} is already named {names[int(value)]!r}")
            else:
                names[int(value)], name = name, None
    broken.finish()
    if not names:
        raise ValueError(f'{path}: no classes; expected a label map of `name: "stand"` and `id: 12` lines')
    return names


def read_exclusions(path: str | Path) -> np.ndarray:
    """The keyframes of a file of excluded timestamps, `video,second` rows -> int64 (N,) ids (see `keyframe_id`)."""
    broken, ids = Problems(), []
    with open_annotation(path) as file:
        for number, line in enumerate(file, 1):
            fields = line.strip().split(b",")
            if fields == [b""]:
                continue
            if len(fields) != 2 or not re.fullmatch(rb"\d+(\.\d*)?", fields[1]):
                broken.add(path, number, f"expected `video,second`, not {line.decode(errors='replace').strip()!r}")
                continue
            ids.append(keyframe_id(fields[0], float(fields[1])))
    broken.finish()
    return np.array(ids, np.int64)


def read_truth(path: str | Path) -> Boxes:
    """Annotations to evaluate against: labels are the action ids of the file; any second, any coordinates."""
    return read_rows(path, _annotation_columns(path), _action_id, checked=False)


def read_detections(path: str | Path) -> Boxes:
    """Detections to evaluate, `video,second,x1,y1,x2,y2,action,score`: labels are the action ids of the file."""
    return read_rows(path, ("label", "score"), _action_id, checked=False)


def read_annotated_boxes(
    path: str | Path, *, num_classes: int = NUM_CLASSES, every: int = 1, problems: list[str] | None = None
) -> Boxes:
    """Annotated boxes to train on: label k is action k + 1. Problems are handled as in `box_rows.read_rows`."""
    find = _class_column(num_classes)
    columns = _annotation_columns(path)
    return read_rows(path, columns, find, seconds=SECONDS, every=every, drop_flat=True, problems=problems)


def read_predicted_boxes(
    path: str | Path,
    *,
    minimum: float = 0.9,
    num_classes: int = NUM_CLASSES,
    every: int = 1,
    problems: list[str] | None = None,
) -> Boxes:
    """Boxes of a person detector with a score of at least `minimum`, `video,second,x1,y1,x2,y2,[action],score`.

    every: 4 keeps each fourth second, as PySlowFast validates while it trains.
    """
    find = _class_column(num_classes)
    settings = {"minimum": minimum, "seconds": SECONDS, "every": every}
    return read_rows(path, ("label", "score"), find, drop_flat=True, problems=problems, **settings)


def ava_keyframes(
    *,
    annotated: Sequence[str | Path] = (),
    predicted: Sequence[str | Path] = (),
    minimum: float = 0.9,
    every: int = 1,
    excluded: str | Path | None = None,
    label_map: str | Path | None = None,
    num_classes: int = NUM_CLASSES,
    frames: FrameLists | None = None,
    videos: str | Path | None = None,
    start: float = FIRST_SECOND,
    may_miss: float = 0.0,
) -> Keyframes:
    """The keyframes of AVA files: training has annotated boxes, with or without predicted ones; a test predicted ones.

    Either `frames`, the frame lists (30 images a second from `start`), or `videos`, a folder of films (start=0) or of
    clips cut from second 900. excluded: a file of timestamps that are left out. may_miss: see `keyframes`.
    """
    if not annotated and not predicted:
        raise ValueError("no box file is given: name annotated boxes, predicted boxes or both")
    lists = [read_annotated_boxes(path, num_classes=num_classes, every=every) for path in annotated]
    lists += [read_predicted_boxes(path, minimum=minimum, num_classes=num_classes, every=every) for path in predicted]
    if label_map is not None:
        names = read_label_map(label_map)
        classes = tuple(names.get(k, f"action {k}") for k in range(1, num_classes + 1))
        lists = [replace(boxes, classes=classes) for boxes in lists]
    if excluded is not None:
        ids = read_exclusions(excluded)
        lists = [boxes.select(~np.isin(boxes.frame, ids), "excluded") for boxes in lists]
    settings = {"num_classes": num_classes, "start": start, "fps": FPS, "may_miss": may_miss}
    return keyframes(lists, frames=frames, videos=videos, **settings)


def _annotation_columns(path: str | Path) -> tuple[str, ...]:
    """With or without person ids, as the first row with a box has it."""
    with open_annotation(path) as file:
        for line in file:
            if line.count(b",") > 1:
                return ("label",) if line.count(b",") == 6 else ("label", "person")
    return ("label", "person")


def _action_id(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"the action id is {text!r}, not a whole number")
    return int(text)


def _class_column(num_classes: int) -> Callable[[str], int]:
    def find(text: str) -> int:
        action = _action_id(text)
        if not 1 <= action <= num_classes:
            raise ValueError(f"action id {action} is not in 1 to {num_classes}")
        return action - 1

    return find
