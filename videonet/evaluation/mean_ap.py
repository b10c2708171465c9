"""Mean average precision of any number of labels an item (Charades)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class MeanAP:
    """Mean over the classes of the average precision; classes without a positive item are left out, as published."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._scores: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, scores: Tensor, target: Tensor, index: Tensor | None = None) -> None:
        """Add items: scores (N, classes), 0/1 labels (N, classes)."""
        if scores.shape != target.shape:
            raise ValueError(f"scores {tuple(scores.shape)} and labels {tuple(target.shape)} must have the same shape")
        self._scores.append(scores)
        self._targets.append(target)

    def per_class(self) -> np.ndarray:
        """Average precision (classes,) in 0..1; NaN where a class has no positive item."""
        scores, targets = torch.cat(self._scores).numpy(), torch.cat(self._targets).numpy()
        return average_precision(scores, targets)

    def compute(self) -> dict[str, float]:
        """mAP in 0..1; NaN where no class has a positive item; empty where no item came."""
        if not self._scores:
            return {}
        values = self.per_class()
        return {"mAP": float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")}


def average_precision(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Area under the precision-recall steps of each column: (N, classes), (N, classes) of 0/1 -> (classes,).

    Items of equal score are one step, so that their order does not matter.
    """
    count = len(scores)
    order = np.argsort(-scores, axis=0, kind="stable")
    ordered = np.take_along_axis(scores, order, 0)
    positive = np.take_along_axis(targets, order, 0) > 0
    step = np.arange(count)[:, None]
    last = np.vstack([ordered[1:] != ordered[:-1], np.ones((1, scores.shape[1]), bool)])
    end = np.minimum.accumulate(np.where(last, step, count)[::-1], axis=0)[::-1]  # where the item's step ends
    precision = np.take_along_axis(positive.cumsum(0), end, 0) / (end + 1)
    total = positive.sum(0)
    return np.where(total > 0, (precision * positive).sum(0) / np.maximum(total, 1), np.nan)
