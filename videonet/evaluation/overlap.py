"""Which annotated box a detected box belongs to."""

from __future__ import annotations

import numpy as np


def match(truth_frame: np.ndarray, truth_box: np.ndarray, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The annotation that each box overlaps most in its keyframe, where their IoU is 0.5 or more, else -1 -> (M,)."""
    order = np.argsort(truth_frame, kind="stable")
    first = np.searchsorted(truth_frame, frame, "left", sorter=order)
    count = np.searchsorted(truth_frame, frame, "right", sorter=order) - first
    mine = np.repeat(np.arange(len(frame)), count)  # every pair of a box and an annotation of its keyframe
    theirs = order[np.arange(len(mine)) - np.repeat(np.cumsum(count) - count - first, count)]
    overlap = iou(np.asarray(box, np.float64)[mine], np.asarray(truth_box, np.float64)[theirs])
    close = np.flatnonzero(overlap >= 0.5)
    close = close[np.lexsort((-overlap[close], mine[close]))]
    most = close[starts(mine[close])]
    best = np.full(len(frame), -1)
    best[mine[most]] = theirs[most]
    return best


def starts(values: np.ndarray) -> np.ndarray:
    """Where a run of equal values begins -> bool (N,)."""
    return np.append(True, values[1:] != values[:-1])[: len(values)]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of (P, 4) with (P, 4) -> (P,)."""
    side = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    both = side.prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)
