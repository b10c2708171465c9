"""Plain box lists: the CSV file in which anybody can write boxes of people and what they do.

The list has the header `video,t_sec,x1,y1,x2,y2,label`, after which `score` and `person` may follow. A row a box
and label; a box with several labels has several rows, a box without any an empty label. video: the file's path or name,
with or without suffix; t_sec: seconds from its start; x1..y2: fractions of its width and height, as shown; label: a
class name, or its number from 0; person: any text that tells people apart.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from videonet.data.annotation import open_annotation
from videonet.data.box_rows import read_rows
from videonet.data.boxes import Boxes
from videonet.data.kinetics import read_classes
from videonet.suggest import suggest

HEADER = "video,t_sec,x1,y1,x2,y2,label"
EXTRA = ("score", "person")


def read_box_list(
    path: str | Path, *, classes: Sequence[str] | None = None, problems: list[str] | None = None
) -> Boxes:
    """Read a plain box list.

    classes: names in the order of their numbers; by default those of `classes.txt` beside the list. Without either the
    labels are numbers from 0, or names that are put in sorted order.
    Broken rows are left out and described in `problems`, or raise AnnotationError when no such list is given.
    """
    columns = _header(path)
    classes = read_classes(Path(path).with_name("classes.txt")) if classes is None else classes
    vocabulary: dict[str, int] = {}
    find = label_finder(classes) if classes is not None else lambda text: vocabulary.setdefault(text, len(vocabulary))
    boxes = read_rows(path, columns, find, skip=1, problems=problems)
    if classes is not None:
        return replace(boxes, classes=tuple(classes))
    words = list(vocabulary)
    if all(word.isdigit() for word in words):
        final, names = [int(word) for word in words], None
    else:
        names = tuple(sorted(words))
        final = [names.index(word) for word in words]
    table = np.array([*final, -1], np.int32)  # the last one is for -1, no label
    return replace(boxes, label=table[boxes.label], classes=names)


def write_box_list(path: str | Path, boxes: Boxes, *, start: float = 0.0) -> None:
    """Write a plain box list. start: the second of the boxes at which the video files begin (AVA clips: 900)."""
    names, persons = boxes.names(), [person.decode() for person in boxes.person.tolist()]
    words = {-1: ""} | dict(enumerate(boxes.classes or ()))
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*HEADER.split(","), *EXTRA])
        for at, label, score in zip(boxes.row.tolist(), boxes.label.tolist(), boxes.score.tolist()):
            time, corners = round(float(boxes.time[at]) - start, 6), boxes.box[at].tolist()
            label = words.get(label, label)
            rows.writerow([names[boxes.video[at]], f"{time:.12g}", *corners, label, f"{score:.9g}", persons[at]])


def label_finder(classes: Sequence[str]) -> Callable[[str], int]:
    """A function from a class name, or its number from 0, to the number; ValueError for anything else."""
    number = {name: k for k, name in enumerate(classes)}

    def find(text: str) -> int:
        if text in number:
            return number[text]
        if not text.isdigit():
            raise ValueError(f"label {text!r} is not one of the {len(classes)} classes{suggest(text, classes)}")
        if int(text) >= len(classes):
            raise ValueError(f"label {text} is out of range: {len(classes)} classes are 0 to {len(classes) - 1}")
        return int(text)

    return find


def _header(path: str | Path) -> tuple[str, ...]:
    with open_annotation(path) as file:
        first = file.readline().decode(errors="replace").strip()
    columns = tuple(name.strip() for name in first.split(","))
    extra = columns[7:]
    if ",".join(columns[:7]) != HEADER or not set(extra) <= set(EXTRA) or len(set(extra)) < len(extra):
        raise ValueError(f"{path}:1: the header must be {HEADER}[,score][,person], not {first!r}")
    return columns[6:]
