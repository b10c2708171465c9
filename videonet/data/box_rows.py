"""Rows of box files: `video,second,x1,y1,x2,y2`, then a label and maybe a score and a person; one for every label."""

from __future__ import annotations

import csv
import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from videonet.data.annotation import Problems, open_annotation
from videonet.data.boxes import Boxes, keyframe_id

COORDINATES = ("x1", "y1", "x2", "y2")
KNOWN = 1_000_000  # boxes that are recognised when their text comes again
SKIPPED, FLAT = -1, -2  # in place of the number of a box that a rule drops


def read_rows(
    path: str | Path,
    columns: Sequence[str],
    label_of: Callable[[str], int],
    *,
    skip: int = 0,
    seconds: tuple[int, int] | None = None,
    every: int = 1,
    minimum: float = -math.inf,
    checked: bool = True,
    drop_flat: bool = False,
    problems: list[str] | None = None,
) -> Boxes:
    """Read `video,second,x1,y1,x2,y2` and then `columns` (label, score, person) from a CSV file of any origin.

    label_of: the number of a label's text. skip: lines of a header. seconds: the first and last that may occur. every:
    keep seconds that it divides. minimum: drop rows of a lower score. checked: boxes must lie in the frame. drop_flat:
    a box without area is dropped, not a mistake. Problems are handled as in `read_box_list`.
    """
    broken = Problems(problems)
    rows = _Rows(columns, label_of, seconds, every, minimum, checked, drop_flat)
    with open_annotation(path) as file:
        for number, line in enumerate(file, 1):
            if number > skip:
                try:
                    rows.add(line)
                except ValueError as error:
                    broken.add(path, number, error)
    broken.finish()
    return rows.packed(str(path))


class _Rows:
    """Rows while they are read. The text of video, second and box is parsed once for all rows that repeat it."""

    def __init__(
        self,
        columns: Sequence[str],
        label_of: Callable[[str], int],
        seconds: tuple[int, int] | None,
        every: int,
        minimum: float,
        checked: bool,
        drop_flat: bool,
    ) -> None:
        self.columns, self.label_of = tuple(columns), label_of
        self.seconds, self.every, self.minimum = seconds, every, minimum
        self.checked, self.drop_flat = checked, drop_flat
        self.width = len(self.columns)
        self.score_at = 1 + self.columns.index("score") if "score" in self.columns else 0
        self.person_at = 1 + self.columns.index("person") if "person" in self.columns else 0
        self.known: dict[bytes, int] = {}
        self.labels: dict[bytes, int] = {}
        self.videos: dict[bytes, int] = {}
        self.video, self.time, self.box = array("i"), array("d"), array("d")
        self.person: list[bytes] = []
        self.row, self.label, self.score = array("i"), array("i"), array("f")
        self.empty: list[int] = []
        self.dropped: Counter[str] = Counter()

    def add(self, line: bytes) -> None:
        """Read one row; ValueError says what is wrong with it."""
        parts = line.rsplit(b",", self.width)
        at = self.known.get(parts[0])
        label = None if at is None else self.labels.get(parts[1])
        if label is None:
            parts = self._parts(line.strip())
            if not parts:
                return
            label = self._label(parts[1])
        score = _number("score", parts[self.score_at]) if self.score_at else 1.0
        if score < self.minimum:
            self.dropped["score"] += 1
            return
        at = self._place(parts) if at is None else at
        if at >= 0:
            self.row.append(at)
            self.label.append(label)
            self.score.append(score)
        elif at == FLAT:
            self.dropped["no area"] += 1

    def _parts(self, line: bytes) -> list[bytes]:
        """Video, second and box as one text, then the columns; nothing for an empty row or `video,second` alone."""
        quoted = b'"' in line
        fields = [text.encode() for text in next(csv.reader([line.decode()]))] if quoted else line.split(b",")
        if len(fields) == 2:
            self.empty.append(keyframe_id(fields[0], _number("the second", fields[1])))
        elif line and len(fields) != 6 + self.width:
            names = ",".join(["video", "second", *COORDINATES, *self.columns])
            raise ValueError(f"{len(fields)} columns instead of the {6 + self.width} of {names}")
        return [b",".join(fields[:6]), *fields[6:]] if len(fields) > 2 else []

    def _label(self, text: bytes) -> int:
        """The number of a label."""
        if text not in self.labels:
            self.labels[text] = self.label_of(text.decode().strip()) if text.strip() else -1
        return self.labels[text]

    def _place(self, parts: list[bytes]) -> int:
        """The number of a box; SKIPPED or FLAT if a rule drops it."""
        if parts[0] not in self.known:
            if len(self.known) == KNOWN:  # a file that never repeats a box must not fill the memory
                self.known.clear()
            self.known[parts[0]] = self._box(parts[0], parts[self.person_at].strip() if self.person_at else b"")
        return self.known[parts[0]]

    def _box(self, head: bytes, person: bytes) -> int:
        """The number of a new box, or the rule that drops it."""
        name, second, *corners = head.rsplit(b",", 5)
        time = _number("the second", second)
        box = [_number(side, text) for side, text in zip(COORDINATES, corners)]
        if not name:
            raise ValueError("the name of the video is empty")
        if time < 0 or (self.seconds and not self.seconds[0] <= time <= self.seconds[1]):
            first, last = self.seconds or (0, "the end of the video")
            raise ValueError(f"second {time:g} is not in {first} to {last}")
        if self.every > 1 and time % self.every:
            return SKIPPED
        if self.checked:
            if min(box) < -0.5 or max(box) > 1.5:
                shown = ",".join(f"{side:g}" for side in box)
                raise ValueError(f"box {shown} is not in fractions of the frame: divide by its width and height")
            box = [min(max(side, 0.0), 1.0) for side in box]
            if box[0] >= box[2] or box[1] >= box[3]:
                if self.drop_flat:
                    return FLAT
                raise ValueError(
                    f"box {','.join(f'{side:g}' for side in box)} has no area: x1 < x2 and y1 < y2 must hold"
                )
        self.video.append(self.videos.setdefault(name, len(self.videos)))
        self.time.append(time)
        self.box.extend(box)
        self.person.append(person)
        return len(self.time) - 1

    def packed(self, source: str) -> Boxes:
        """What was read."""
        return Boxes(
            videos=np.array(list(self.videos), np.bytes_),
            video=np.array(self.video, np.int32),
            time=np.array(self.time),
            box=np.array(self.box).reshape(-1, 4),
            person=np.array(self.person, np.bytes_),
            row=np.array(self.row, np.int32),
            label=np.array(self.label, np.int32),
            score=np.array(self.score, np.float32),
            empty=np.array(self.empty, np.int64),
            dropped=dict(self.dropped),
            source=source,
        )


def _number(name: str, text: bytes) -> float:
    """A finite number; an empty score is 1."""
    try:
        value = float(text)
    except ValueError:
        value = 1.0 if name == "score" and not text.strip() else math.nan
    if not -math.inf < value < math.inf:
        raise ValueError(f"{name} is {text.decode(errors='replace').strip()!r}, not a number")
    return value
