"""Per-frame mean average precision of actions in time (Charades, `Charades_v1_localize`; arXiv 1612.06371).

Each video is scored at 25 moments, equally spaced from its first, and each (video, moment) is an item of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from videonet.distributed import gather

POINTS = 25


def moments(seconds: float, points: int = POINTS) -> np.ndarray:
    """The moments of a video of that length at which it is scored: 0, 1/25, .., 24/25 of it -> float64 (points,)."""
    return np.arange(points) * seconds / points


class Localisation:
    """Collects scores and labels at the `moments` of videos."""

    def __init__(self, classes: int = 157) -> None:
        self.classes = classes
        self.reset()

    def reset(self) -> None:
        """Forget what was collected."""
        self._scores: list[np.ndarray] = []
        self._truth: list[np.ndarray] = []
        self._missing = 0

    def update(self, truth: ArrayLike, score: ArrayLike | None) -> None:
        """Add the moments of a video: labels (P, classes), 0 or 1, and scores (P, classes).

        None for the scores of a video that could not be read: its moments rank last, as the official script has them.
        """
        truth = _rows(truth)
        self._missing += score is None
        score = np.full(truth.shape, -np.inf, np.float32) if score is None else _rows(score)
        if truth.ndim != 2 or truth.shape != score.shape or truth.shape[1] != self.classes:
            raise ValueError(f"update takes labels and scores (P, {self.classes}), not {truth.shape} and {score.shape}")
        if np.isnan(score).any():
            raise ValueError("a score is not a number: the model has diverged")
        self._scores.append(score)
        self._truth.append(truth > 0)

    def compute(self) -> dict:
        """mAP over the classes that occur, wAP (weighted by how often), per_class (None: does not occur), counts."""
        empty = np.empty((0, self.classes), np.float32)
        mine = np.concatenate([empty, *self._scores]), np.concatenate([empty > 0, *self._truth]), self._missing
        scores, truths, missing = zip(*gather(mine))
        score, truth = np.concatenate(scores), np.concatenate(truths)
        per_class = [frame_ap(score[:, k], truth[:, k]) for k in range(self.classes)]
        occurs = truth.any(0)
        aps = np.array([ap for ap in per_class if ap is not None])
        return {
            "mAP": float(aps.mean()) if occurs.any() else None,
            "wAP": float(np.average(aps, weights=truth.sum(0)[occurs])) if occurs.any() else None,
            "per_class": per_class,
            "frames": len(truth),
            "videos_missing": sum(missing),
        }


class MomentAP:
    """The same as a metric of items that are moments: fed on every process with all of them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was collected."""
        self._scores: list[Tensor] = []
        self._truth: list[Tensor] = []

    def update(self, scores: Tensor, target: Tensor, index: Tensor | None = None) -> None:
        """Add moments: scores (N, classes), 0/1 labels (N, classes)."""
        self._scores.append(scores)
        self._truth.append(target)

    def per_class(self) -> np.ndarray:
        """Average precision (classes,); NaN where a class does not occur."""
        scores, truth = torch.cat(self._scores).numpy(), torch.cat(self._truth).numpy() > 0
        aps = [frame_ap(score, mine) for score, mine in zip(scores.T, truth.T)]
        return np.array([np.nan if ap is None else ap for ap in aps])

    def compute(self) -> dict[str, float]:
        """mAP over the classes that occur, wAP (weighted by how often), in 0..1; {} where no moment came."""
        if not self._scores:
            return {}
        aps, weights = self.per_class(), torch.cat(self._truth).sum(0).numpy()
        occurs = np.isfinite(aps)
        if not occurs.any():
            return {"mAP": float("nan"), "wAP": float("nan")}
        return {"mAP": float(aps[occurs].mean()), "wAP": float(np.average(aps[occurs], weights=weights[occurs]))}


def frame_ap(score: np.ndarray, truth: np.ndarray) -> float | None:
    """Mean of the precision at every positive, in the order of the score, then of the rows; None without positives."""
    hits = truth[np.argsort(-score, kind="stable")].astype(bool)
    if not hits.any():
        return None
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def _rows(values: ArrayLike | torch.Tensor) -> np.ndarray:
    values = values.detach().cpu().float().numpy() if isinstance(values, torch.Tensor) else values
    return np.array(values, np.float32)
