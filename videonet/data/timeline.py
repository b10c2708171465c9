"""The exact table of a video's frames: when each is shown, and what must be decoded to get it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from copy import copy

import numpy as np


class Timeline:
    """Presentation times of packets in decode order -> frames in the order they are shown.

    Frame i is the i-th shown; `pts[i]` its presentation time (in ticks of the stream), `position[i]` the place of its
    packet in decode order. Packets marked `discard` (before the start of an edit list) are decoded but not shown.
    `first` is the number of frames shown before this table begins.
    """

    def __init__(self, pts: np.ndarray, key: np.ndarray, discard: np.ndarray, first: int = 0) -> None:
        shown = np.flatnonzero(~discard)
        self.position = shown[np.argsort(pts[shown], kind="stable")]
        self.pts = pts[self.position]
        self.first = first
        self._at, self._discard = pts, discard
        self._keys = np.flatnonzero(key).tolist()

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def ordered(self) -> bool:
        """Whether frames can be told apart by their times, and decoding can begin at the first packet."""
        return bool(self._keys) and self._keys[0] == 0 and bool((np.diff(self.pts) > 0).all())

    @property
    def closed(self) -> bool:
        """Whether no frame is shown before the first packet, so that none leans on packets that are not here."""
        return len(self) > 0 and self._at[0] <= self.pts[0]

    def nearest(self, ticks: np.ndarray, first: int) -> Timeline:
        """The same packets with frames counted otherwise: frame `first + i` is the one shown nearest to `ticks[i]`."""
        right = np.searchsorted(self.pts, ticks).clip(1, max(len(self) - 1, 1))
        left_is_nearer = ticks - self.pts[right - 1] <= self.pts[right.clip(max=len(self) - 1)] - ticks
        chosen = np.where(left_is_nearer, right - 1, right.clip(max=len(self) - 1))
        other = copy(self)
        other.position, other.pts, other.first = self.position[chosen], self.pts[chosen], first
        return other

    def start(self, frame: int) -> int:
        """The keyframe (place in decode order) that decoding a frame begins at.

        A frame that is decoded after a keyframe but shown before it leans on the group before that (open GOP).
        """
        place = bisect_right(self._keys, self.position[frame]) - 1
        while place > 0 and self._at[self._keys[place]] > self.pts[frame]:
            place -= 1
        return self._keys[place]

    def ranges(self, frames: Iterable[int]) -> list[tuple[int, int]]:
        """The stretches (first, last place in decode order) to decode for some frames; each begins at a keyframe."""
        spans = sorted((self.start(frame), int(self.position[frame])) for frame in frames)
        merged: list[tuple[int, int]] = []
        for start, stop in spans:
            if merged and start <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
            else:
                merged.append((start, stop))
        return merged

    def time(self, place: int) -> int:
        """Presentation time of the packet at a place in decode order."""
        return int(self._at[place])

    def even(self, start: int, stop: int) -> bool:
        """Whether the packets from a place to another in decode order show frames at an even rate, with none lost."""
        gaps = np.diff(np.sort(self._at[start : stop + 1]))
        return gaps.size == 0 or bool(gaps.max() <= 1.5 * np.median(gaps))

    def shows(self, place: int) -> bool:
        """Whether the packet at a place in decode order shows a frame."""
        return not self._discard[place]
