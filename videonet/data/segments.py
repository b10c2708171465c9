"""Actions in time: which classes are seen between two frames or seconds of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Segments:
    """Actions of many videos, packed: label, first and last, both included, (S,); ends (V,): where video i's end.

    first and last are frame indices or seconds, whatever the annotations have.
    """

    label: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor
    ends: torch.Tensor
    classes: int

    @classmethod
    def pack(cls, rows: Sequence[Sequence[tuple[int, float, float]]], classes: int) -> Segments:
        """From each video's (label, first, last)."""
        flat = np.array([action for video in rows for action in video], np.float64).reshape(-1, 3)
        ends = np.cumsum([len(video) for video in rows], dtype=np.int64)
        label, first, last = (torch.from_numpy(column.copy()) for column in flat.T)
        return cls(label.long(), first, last, torch.from_numpy(ends), classes)

    def __len__(self) -> int:
        return len(self.ends)

    def of(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """label, first and last of video `index`."""
        mine = slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))
        return self.label[mine].numpy(), self.first[mine].numpy(), self.last[mine].numpy()

    def between(self, index: int, start: float = -np.inf, end: float = np.inf) -> np.ndarray:
        """1 for each class with an action that touches start..end (default: the whole video) -> float32 (classes,)."""
        label, first, last = self.of(index)
        row = np.zeros(self.classes, np.float32)
        row[label[(first <= end) & (last >= start)]] = 1
        return row

    def at(self, index: int, times: Sequence[float] | np.ndarray) -> np.ndarray:
        """The same for each of several moments -> float32 (len(times), classes)."""
        label, first, last = self.of(index)
        times = np.asarray(times, np.float64)
        moment, action = np.nonzero((first <= times[:, None]) & (times[:, None] <= last))
        rows = np.zeros((len(times), self.classes), np.float32)
        rows[moment, label[action]] = 1
        return rows

    def union(self) -> np.ndarray:
        """All classes of every video -> float32 (videos, classes)."""
        rows = np.zeros((len(self), self.classes), np.float32)
        counts = np.diff(self.ends.numpy(), prepend=0)
        rows[np.repeat(np.arange(len(self)), counts), self.label.numpy()] = 1
        return rows
