"""Average precision of action detection at IoU 0.5 (AVA, CVPR 2018, section 5.1), as each public evaluator has it.

A keyframe is an integer; who reads files gives the same (video, second) the same integer. Boxes are x1, y1, x2, y2.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike

from videonet.distributed import gather
from videonet.evaluation.match_statistics import match_statistics
from videonet.evaluation.overlap import match, starts

AVA_GROUPS = {
    "person movement": range(1, 15),
    "object manipulation": range(15, 64),
    "person interaction": range(64, 81),
}


@dataclass(frozen=True)
class Truth:
    """What is there: keyframe (N,), box (N, 4), class id (N,) of every annotation; `empty`: keyframes without any."""

    frame: np.ndarray
    box: np.ndarray
    label: np.ndarray
    empty: np.ndarray | tuple = ()


@dataclass(frozen=True)
class Detections:
    """What was found: keyframe (M,), box (M, 4) of every person; person, class id, value of every score, each (R,)."""

    frame: np.ndarray
    box: np.ndarray
    row: np.ndarray
    label: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Protocol:
    """The points in which the public evaluators differ; the defaults are the recommended ones."""

    by_score: bool = True  # the higher score takes an annotation; else the earlier row does, as in the 2018 script
    ties: bool = True  # equal scores are one step of the curve, so that no order of rows changes the result
    cap: int | None = None  # only so many highest scores of a keyframe, over all classes
    frames: str = "all"  # detections count on "all" keyframes, or where there is "any" annotation, or a "listed" one
    excluded: str = "both"  # exclusions drop rows of "both", or only "detections", or "none"
    undetected: bool = True  # an annotated class that is never detected is a 0 in the mean; else left out


PROTOCOLS = {
    "official": Protocol(ties=False, cap=50, frames="any", excluded="none"),
    "slowfast": Protocol(ties=False, by_score=False),
    "mmaction2": Protocol(ties=False, frames="listed", excluded="detections", undetected=False),
    "recommended": Protocol(),
}


class AvaEvaluation:
    """Collects the scores of a test and evaluates them against `truth`; boxes in the unit of the truth.

    `classes`: id -> name of those that count. `columns`: the class id of each score column, by default 1, 2, ... (AVA).
    """

    def __init__(
        self,
        truth: Truth,
        classes: Mapping[int, str],
        *,
        excluded: Iterable[int] = (),
        protocol: str | Protocol = "recommended",
        columns: Iterable[int] | None = None,
        groups: Mapping[str, Container[int]] | None = None,
    ) -> None:
        self.truth, self.classes, self.excluded, self.groups = truth, dict(classes), list(excluded), groups
        self.protocol = find_protocol(protocol)
        self.columns = None if columns is None else np.fromiter(columns, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget what was collected."""
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def update(self, frame: ArrayLike, box: ArrayLike, score: ArrayLike) -> None:
        """Add people: keyframe (N,), box (N, 4), probability of every class (N, C); arrays or tensors."""
        frame, box, score = _array(frame, np.int64), _array(box, np.float32), _array(score, np.float32)
        if not (len(frame) == len(box) == len(score)) or box.shape[1:] != (4,) or score.ndim != 2:
            shapes = f"{frame.shape}, {box.shape} and {score.shape}"
            raise ValueError(f"update takes keyframes (N,), boxes (N, 4) and scores (N, C), not {shapes}")
        if not np.isfinite(score).all():
            raise ValueError("a score is not a finite number: the model has diverged, or its half precision overflows")
        self._parts.append((frame, box, score))

    def compute(self) -> dict:
        """What `evaluate` gives, over the people that all processes have added."""
        width = 0 if self.columns is None else len(self.columns)
        nothing = np.empty(0, np.int64), np.empty((0, 4), np.float32), np.empty((0, width), np.float32)
        mine = tuple(np.concatenate(column) for column in zip(*self._parts)) if self._parts else None
        parts = [part for part in gather(mine) if part is not None] or [nothing]
        frame, box, score = (np.concatenate(column) for column in zip(*parts))
        columns = np.arange(1, score.shape[1] + 1) if self.columns is None else self.columns
        found = detections(frame, box, score, columns, self.classes)
        return evaluate(self.truth, found, self.classes, self.excluded, protocol=self.protocol, groups=self.groups)


def detections(
    frame: np.ndarray, box: np.ndarray, score: np.ndarray, columns: np.ndarray, classes: Container[int]
) -> Detections:
    """The scores (N, C) of people, of the `columns` whose class id is among `classes`, row by row of `Detections`."""
    if len(columns) != score.shape[1]:
        raise ValueError(f"{len(columns)} class ids are given for {score.shape[1]} score columns; each needs one")
    use = np.isin(columns, list(classes))
    row = np.tile(np.arange(len(frame), dtype=np.int32), use.sum())
    label = np.repeat(columns[use].astype(np.int32), len(frame))
    return Detections(frame, box, row, label, score.T[use].reshape(-1))


def evaluate(
    truth: Truth,
    found: Detections,
    classes: Mapping[int, str],
    excluded: Iterable[int] = (),
    *,
    protocol: str | Protocol = "recommended",
    groups: Mapping[str, Container[int]] | None = None,
) -> dict:
    """Evaluate detections: a pure function of arrays; `excluded` are keyframes.

    Gives `mAP` (None: no class is annotated), `per_class` (rows of id, name, ap or None, truth, detections, matched),
    `per_group` (the mean of each of `groups`) and `statistics` (counts of what was matched, dropped and missing).
    """
    protocol = find_protocol(protocol)
    listed = np.array(sorted(classes))
    excluded = np.fromiter(excluded if protocol.excluded != "none" else (), np.int64)
    annotated = np.isin(truth.label, listed)
    if protocol.excluded == "both":
        annotated &= ~np.isin(truth.frame, excluded)
    kept, dropped = _select(truth, found, annotated, listed, excluded, protocol)
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(found.label[rows], kind="stable")]
    ends = np.searchsorted(found.label[rows], listed, "right")
    per_class = []
    for k, theirs in zip(listed.tolist(), np.split(rows, ends)):
        mine = np.flatnonzero(annotated & (truth.label == k))
        per_class.append({"id": k, "name": classes[k], **_one_class(truth, mine, found, theirs, protocol)})
    return {
        "mAP": _mean(per_class),
        "per_class": per_class,
        "per_group": {g: _mean([c for c in per_class if c["id"] in ids]) for g, ids in (groups or {}).items()},
        "statistics": {
            **match_statistics(truth.frame[annotated], truth.box[annotated], found.frame, found.box),
            **_counts(annotated, kept, per_class),
            **dropped,
        },
    }


def _counts(annotated: np.ndarray, kept: np.ndarray, per_class: list[dict]) -> dict:
    """How many annotations, detections and classes count."""
    return {
        "truth": int(annotated.sum()),
        "truth_dropped": int((~annotated).sum()),
        "classes_with_truth": sum(c["truth"] > 0 for c in per_class),
        "classes_never_detected": sum(c["truth"] > 0 and not c["detections"] for c in per_class),
        "detections": int(kept.sum()),
    }


def _one_class(truth: Truth, mine: np.ndarray, found: Detections, theirs: np.ndarray, protocol: Protocol) -> dict:
    """One class: its annotations `mine` and its scores `theirs`."""
    if protocol.ties:  # of two annotations that a box overlaps equally, the one further left and up
        mine = mine[np.lexsort(truth.box[mine].T[::-1])]
    person = found.row[theirs]
    best = match(truth.frame[mine], truth.box[mine], found.frame[person], found.box[person])
    ap, matched = average_precision(best, found.score[theirs], len(mine), protocol)
    counted = len(mine) and (len(theirs) or protocol.undetected)
    return {"ap": ap if counted else None, "truth": len(mine), "detections": len(theirs), "matched": matched}


def find_protocol(protocol: str | Protocol) -> Protocol:
    """The protocol of a name, or the one that is given."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise ValueError(f"AVA protocol {protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]


def average_precision(best: np.ndarray, score: np.ndarray, total: int, protocol: Protocol) -> tuple[float, int]:
    """Area under the interpolated curve of one class, and the number of hits.

    `best` (R,): the annotation of each detection, or -1. Its first detection is a hit, the others are false.
    """
    ranked = np.argsort(-score, kind="stable")
    claim = np.flatnonzero(best >= 0) if not protocol.by_score else ranked[best[ranked] >= 0]
    hit = np.zeros(len(best), np.int64)
    hit[claim[np.unique(best[claim], return_index=True)[1]]] = 1
    if not total or not len(best):
        return 0.0, 0
    hits = np.cumsum(hit[ranked])
    seen = np.arange(1, len(best) + 1)
    if protocol.ties:
        last = np.flatnonzero(np.append(score[ranked][1:] != score[ranked][:-1], True))
        hits, seen = hits[last], seen[last]
    precision = np.maximum.accumulate((hits / seen)[::-1])[::-1]
    return float((np.diff(hits, prepend=0) * precision).sum() / total), int(hits[-1])


def _select(
    truth: Truth, found: Detections, annotated: np.ndarray, listed: np.ndarray, excluded: np.ndarray, protocol: Protocol
) -> tuple[np.ndarray, dict]:
    """Which scores count -> bool (R,), and how many were dropped by each rule."""
    kept = np.isin(found.label, listed)
    zero = 0 if 0 in listed else int((found.label == 0).sum())
    dropped = {"detections_unlisted": len(kept) - int(kept.sum()), "detections_of_class_0": zero}
    rules = {"detections_excluded": np.isin(found.frame, excluded)}
    if protocol.frames != "all":
        any_truth = np.union1d(truth.frame, np.asarray(truth.empty, np.int64))
        frames = any_truth if protocol.frames == "any" else truth.frame[annotated]
        rules["detections_ignored_without_truth"] = ~np.isin(found.frame, frames)
    for rule, person in rules.items():
        dropped[rule] = int((kept & person[found.row]).sum())
        kept &= ~person[found.row]
    if protocol.cap is not None:
        rows = np.flatnonzero(kept)
        frame = np.unique(found.frame, return_inverse=True)[1][found.row[rows]]
        order = _best_first(frame, found.score[rows])
        start = np.maximum.accumulate(np.where(starts(frame[order]), np.arange(len(order)), 0))
        kept[rows[order[np.arange(len(order)) - start >= protocol.cap]]] = False
        dropped["detections_beyond_cap"] = len(rows) - int(kept.sum())
    return kept, dropped


def _best_first(frame: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Rows by keyframe and then from the highest score: one sort of integers, since floats order as their bits do."""
    bits = score.astype(np.float32).view(np.int32).astype(np.int64)
    bits ^= (bits >> 63) & 0x7FFFFFFF  # below zero the order is reversed
    return np.argsort((frame << 32) - bits, kind="stable")


def _array(values: ArrayLike | torch.Tensor, dtype: DTypeLike) -> np.ndarray:
    """A copy of an array or of a tensor on any device."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().numpy() if values.is_floating_point() else values.cpu().numpy()
    return np.array(values, dtype)


def _mean(rows: list[dict]) -> float | None:
    values = [row["ap"] for row in rows if row["ap"] is not None]
    return float(np.mean(values)) if values else None
