"""Accuracy of each class, and which classes are taken for which."""

from __future__ import annotations

import numpy as np
from torch import Tensor


class PerClass:
    """Counts label against highest score: `confusion[label, predicted]`, int64 (classes, classes).

    Args:
        classes: how many there are; the counts take classes x classes numbers.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.confusion = np.zeros((self.classes, self.classes), dtype=np.int64)

    def update(self, scores: Tensor, target: Tensor, index: Tensor | None = None) -> None:
        """Add items: scores (N, classes), label (N,)."""
        pairs = target.numpy().astype(np.int64) * self.classes + scores.argmax(1).numpy()
        self.confusion += np.bincount(pairs, minlength=self.classes**2).reshape(self.classes, self.classes)

    @property
    def count(self) -> np.ndarray:
        """Items of each class (classes,)."""
        return self.confusion.sum(1)

    @property
    def accuracy(self) -> np.ndarray:
        """Accuracy of each class in percent (classes,); NaN where it has no item."""
        count = self.count
        return np.where(count > 0, 100 * self.confusion.diagonal() / np.maximum(count, 1), np.nan)

    def compute(self) -> dict[str, float]:
        """mean_class_acc: the mean accuracy of the classes that have items; empty where no item came."""
        return {"mean_class_acc": float(np.nanmean(self.accuracy))} if self.confusion.any() else {}
