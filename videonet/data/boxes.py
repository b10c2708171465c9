"""Boxes of people at moments of videos, packed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Boxes:
    """Boxes and their labels, packed.

    videos (V,): names as UTF-8; video (N,), time (N,) seconds, box (N, 4) x1, y1, x2, y2, person (N,): of each box;
    row (R,), label (R,), score (R,): of each label its box, its class (-1: none) and its score (1 where none is given);
    empty (E,): keyframes that are annotated to have no box. classes: names in the order of the labels, if known;
    dropped: how many rows each rule left out.
    """

    videos: np.ndarray
    video: np.ndarray
    time: np.ndarray
    box: np.ndarray
    person: np.ndarray
    row: np.ndarray
    label: np.ndarray
    score: np.ndarray
    empty: np.ndarray
    classes: tuple[str, ...] | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    source: str = ""

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def frame(self) -> np.ndarray:
        """The keyframe of each box as an integer that is the same for the same video and time in any list -> (N,)."""
        code = self.video.astype(np.int64) << 40 | milliseconds(self.time)
        found, inverse = np.unique(code, return_inverse=True)
        names = self.videos.tolist()
        ids = [keyframe_id(names[c >> 40], (c & (1 << 40) - 1) / 1000) for c in found.tolist()]
        return np.array(ids, np.int64)[inverse]

    @property
    def num_classes(self) -> int:
        """How many classes there are: the names, or up to the largest label."""
        return len(self.classes) if self.classes is not None else int(self.label.max(initial=-1)) + 1

    def names(self) -> list[str]:
        """The names of the videos."""
        return [name.decode() for name in self.videos.tolist()]

    def select(self, keep: np.ndarray, rule: str) -> Boxes:
        """The boxes where `keep` (N,) is true; the labels of the others are counted as dropped by `rule`."""
        count = int((~keep[self.row]).sum())
        dropped = Counter(self.dropped) + Counter({rule: count})
        return replace(self.take(np.flatnonzero(keep)), dropped=dict(dropped))

    def take(self, boxes: np.ndarray) -> Boxes:
        """The given boxes in that order, their labels in the same."""
        number = np.full(len(self), -1)
        number[boxes] = np.arange(len(boxes))
        rows = np.flatnonzero(number[self.row] >= 0)
        rows = rows[np.argsort(number[self.row[rows]], kind="stable")]
        per_box = {name: getattr(self, name)[boxes] for name in ("video", "time", "box", "person")}
        per_label = {name: getattr(self, name)[rows] for name in ("label", "score")}
        return replace(self, **per_box, **per_label, row=number[self.row[rows]].astype(np.int32))


def milliseconds(time: np.ndarray | float) -> np.ndarray:
    """Seconds to whole milliseconds: the precision at which two times are the same keyframe."""
    return np.rint(np.asarray(time, np.float64) * 1000).astype(np.int64)


def keyframe_id(video: str | bytes, time: float) -> int:
    """The 63-bit integer of a keyframe: a hash, so that lists that were read apart agree without a table."""
    name = video.encode() if isinstance(video, str) else video
    text = b"%s,%d" % (name, int(milliseconds(time)))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def merge(lists: Sequence[Boxes]) -> Boxes:
    """One list of several; equal boxes of a keyframe become one box with all the labels."""
    for other in lists[1:]:
        if other.classes != lists[0].classes:
            raise ValueError(f"{lists[0].source} and {other.source} have different classes: give both the same names")
    vocabulary: dict[bytes, int] = {}
    video = [
        np.array([vocabulary.setdefault(name, len(vocabulary)) for name in b.videos.tolist()] or [0]) for b in lists
    ]
    video = np.concatenate([ids[b.video] for ids, b in zip(video, lists)])
    time, box, person, label, score, empty = (
        np.concatenate([getattr(b, name) for b in lists])
        for name in ("time", "box", "person", "label", "score", "empty")
    )
    starts = np.cumsum([0] + [len(b) for b in lists])
    row = np.concatenate([b.row + start for b, start in zip(lists, starts)])
    _, first, same = np.unique(np.column_stack([video, time, box]), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # boxes keep the order in which they first appear
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    first = first[order]
    return Boxes(
        np.array(list(vocabulary), np.bytes_),
        video[first].astype(np.int32),
        time[first],
        box[first],
        person[first],
        number[same.reshape(-1)[row]].astype(np.int32),
        label,
        score,
        empty,
        lists[0].classes,
        dict(sum((Counter(b.dropped) for b in lists), Counter())),
        ", ".join(b.source for b in lists),
    )
