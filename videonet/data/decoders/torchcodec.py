"""Clips read with torchcodec, where it is installed and finds FFmpeg's shared libraries."""

from __future__ import annotations

import numpy as np
import torch
from torchcodec.decoders import VideoDecoder

from videonet.data.decoders.foreign import ForeignReader
from videonet.data.decoders.source import Source


class TorchcodecReader(ForeignReader):
    """A video read with torchcodec (see `foreign.ForeignReader`)."""

    library = "torchcodec"

    def open(self, source: Source) -> VideoDecoder:
        video = source.path or source.address or source.content()
        return VideoDecoder(video, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact")

    def count(self) -> int:
        return self._decoder.metadata.num_frames

    def fetch(self, indices: list[int]) -> tuple[torch.Tensor, np.ndarray]:
        batch = self._decoder.get_frames_at(indices)
        return batch.data, batch.pts_seconds.numpy()
