"""Mean average precision of boxes that are scored by their number in a list: the metric of action detection."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import numpy as np
from torch import Tensor

from videonet.evaluation.ava import Protocol, Truth, detections, evaluate, find_protocol
from videonet.evaluation.match_statistics import explain


class BoxAP:
    """Average precision at IoU 0.5 (see `evaluation.ava`) of the boxes of a list, whose scores come by number.

    truth: what is there. frame (N,), box (N, 4): keyframe and place of every box of the list, in the units of `truth`.
    classes: id -> name of those that count; first: the id that score column 0 stands for. result: after `compute`, all
    that `evaluation.ava.evaluate` gives; `reasons` of it: why it may be low.
    """

    def __init__(
        self,
        truth: Truth,
        frame: np.ndarray,
        box: np.ndarray,
        classes: Mapping[int, str],
        *,
        first: int = 0,
        excluded: Iterable[int] = (),
        groups: Mapping[str, Container[int]] | None = None,
        protocol: str | Protocol = "recommended",
    ) -> None:
        self.truth, self.frame, self.box, self.classes, self.first = truth, frame, box, dict(classes), first
        self.excluded, self.groups, self.protocol = list(excluded), groups, find_protocol(protocol)
        self.result: dict = {}
        self.reset()

    def reset(self) -> None:
        """Forget all scores."""
        self._scores: dict[str, list[np.ndarray]] = {"index": [], "score": []}

    def update(self, scores: Tensor, target: Tensor, index: Tensor) -> None:
        """Add boxes: probabilities (B, classes) and their numbers in the list (B,)."""
        self._scores["index"].append(index.numpy())
        self._scores["score"].append(scores.float().numpy())

    def compute(self) -> dict[str, float]:
        """mAP in 0..1, NaN where no class is annotated; {} where no box was scored."""
        index, score = (np.concatenate(parts) if parts else np.empty(0) for parts in self._scores.values())
        if not len(index):
            return {}
        columns = np.arange(score.shape[1]) + self.first
        found = detections(self.frame[index], self.box[index], score, columns, self.classes)
        self.result = evaluate(
            self.truth, found, self.classes, self.excluded, protocol=self.protocol, groups=self.groups
        )
        self.result["reasons"] = explain(self.result["statistics"])
        return {"mAP": float("nan") if self.result["mAP"] is None else self.result["mAP"]}
