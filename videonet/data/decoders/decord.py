"""Clips read with decord, where it is installed."""

from __future__ import annotations

from io import BytesIO

import decord
import numpy as np
import torch

from videonet.data.decoders.foreign import ForeignReader
from videonet.data.decoders.source import Source


class DecordReader(ForeignReader):
    """A video read with decord (see `foreign.ForeignReader`)."""

    library = "decord"

    def open(self, source: Source) -> decord.VideoReader:
        video = source.path or source.address or BytesIO(source.content())
        return decord.VideoReader(video, ctx=decord.cpu(0), num_threads=1)

    def count(self) -> int:
        return len(self._decoder)

    def fetch(self, indices: list[int]) -> tuple[torch.Tensor, np.ndarray]:
        frames = torch.from_numpy(self._decoder.get_batch(indices).asnumpy())
        seconds = self._decoder.get_frame_timestamp([0, *indices])[:, 0]  # on a clock of decord's own
        return frames, seconds[1:] - seconds[0] + self.times[0]
