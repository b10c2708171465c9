"""What detected boxes are evaluated against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from videonet.data.boxes import Boxes, milliseconds


@dataclass(frozen=True)
class Annotations:
    """Annotated boxes, and which of their classes count.

    classes: id -> name of those that count, in the ids of `truth`; first: the id that a network's first output stands
    for (1 for AVA). excluded: keyframes (`boxes.keyframe_id`) that do not count. protocol: of the evaluation, a name of
    `evaluation.ava.PROTOCOLS`.
    """

    truth: Boxes
    classes: Mapping[int, str]
    first: int = 0
    excluded: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    protocol: str = "recommended"

    def every(self, seconds: int) -> Annotations:
        """Those at whole multiples of so many seconds (see `Keyframes.every`); all, if none is."""
        keep = milliseconds(self.truth.time) % (1000 * seconds) == 0
        return replace(self, truth=self.truth.select(keep, f"not every {seconds} s")) if keep.any() else self
