"""What every reader of moving pictures offers, so that `Video` need not know which one it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from videonet.data.decoders.clips import Request


class Reader(Protocol):
    """An open video: its facts, and clips by frame index.

    `shape` is (height, width) as displayed, `times` the seconds at which frames are shown (float64), `missing` the
    places of clips that were filled by a neighbouring frame, `errors` what the decoder complained about.
    """

    num_frames: int
    fps: float
    missing: int
    errors: int

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def times(self) -> np.ndarray: ...

    def read_many(self, requests: Sequence[Request]) -> list[torch.Tensor]: ...

    def close(self) -> None: ...
