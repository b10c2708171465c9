"""Multi-view testing: the scores of an item's clips and crops put together, each view exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Scored:
    """The items that were scored, in the order of the list.

    index (N,) int64; scores (N, classes) float32; target (N,) or (N, classes); missing: index -> why it was not read.
    """

    index: Tensor
    scores: Tensor
    target: Tensor
    missing: dict[int, str]


class Views:
    """Puts views together by item: the mean of their probabilities, or their elementwise maximum (Charades).

    Args:
        items: how many items the list has (or their numbers).
        views: how many views each item has; views are numbered 0 .. views - 1.
        how: "sum" (the mean, which ranks as the sum does) or "max".
    """

    def __init__(self, items: int | Iterable[int], *, views: int = 1, how: Literal["sum", "max"] = "sum") -> None:
        if how not in ("sum", "max"):
            raise ValueError(f"views are put together by 'sum' or 'max', got {how!r}")
        if views < 1:
            raise ValueError(f"an item needs at least 1 view, got {views}")
        self.items = range(items) if isinstance(items, int) else frozenset(items)
        self.views = views
        self.how = how
        self.reset()

    def reset(self) -> None:
        """Forget every score."""
        self._scores: dict[int, np.ndarray] = {}
        self._targets: dict[int, np.ndarray] = {}
        self._seen: dict[int, set[int]] = {}
        self._missing: dict[int, str] = {}

    def update(self, scores: Tensor, target: Tensor, index: Tensor, view: Tensor | None = None) -> None:
        """Add views: probabilities (B, classes), target (B, ...), item (B,), view (B,); without `view` it is 0."""
        numbers = index.tolist()
        views = [0] * len(numbers) if view is None else view.tolist()
        for item, number, row, label in zip(numbers, views, scores.double().numpy(), target.numpy()):
            self._add(item, {number}, row, label)

    def skip(self, missing: Iterable[tuple[int, str]]) -> None:
        """Say that items could not be read, and why: they are counted, not scored."""
        self._missing.update((int(item), reason) for item, reason in missing)

    def merge(self, parts: Sequence[Views]) -> None:
        """Hold what all `parts` (one a process, this one among them) hold together."""
        contents = [(part._scores, part._targets, part._seen, part._missing) for part in parts]
        self.reset()
        for scores, targets, seen, missing in contents:
            self._missing.update(missing)
            for item, row in scores.items():
                self._add(item, seen[item], row, targets[item])

    def compute(self) -> Scored:
        """The score of every item.

        Raises:
            ValueError: an item that is neither complete nor known to be missing.
        """
        short = [item for item in self.items if len(self._seen.get(item, ())) < self.views]
        lost = [item for item in short if item not in self._missing]
        if lost:
            shown = ", ".join(f"{item} ({len(self._seen.get(item, ()))} of {self.views})" for item in lost[:10])
            raise ValueError(f"{len(lost)} of {len(self.items)} items lack views: {shown}{' ...' if lost[10:] else ''}")
        index = sorted(set(self._scores) - set(short))
        factor = 1 / self.views if self.how == "sum" else 1.0
        scores = np.stack([self._scores[item] * factor for item in index]) if index else np.zeros((0, 1))
        target = np.stack([self._targets[item] for item in index]) if index else np.zeros(0)
        missing = dict(sorted(self._missing.items()))
        return Scored(
            torch.tensor(index, dtype=torch.int64), torch.from_numpy(scores).float(), torch.from_numpy(target), missing
        )

    def _add(self, item: int, views: set[int], row: np.ndarray, label: np.ndarray) -> None:
        if item not in self.items or not views <= set(range(self.views)):
            raise ValueError(
                f"item {item} view {sorted(views)} is not of the {len(self.items)} x {self.views} expected"
            )
        twice = self._seen.setdefault(item, set()) & views
        if twice:
            raise ValueError(f"item {item} view {sorted(twice)} was scored twice")
        self._seen[item] |= views
        if item not in self._scores:
            self._scores[item], self._targets[item] = row, label
        elif self.how == "sum":
            self._scores[item] = self._scores[item] + row
        else:
            self._scores[item] = np.maximum(self._scores[item], row)
