"""Clips from video files: the frames asked for, in the window asked for, as uint8. One function, several decoders.

    with Video("clip.mp4") as video:
        clip = video.read(range(0, 64, 2), Window(0, 42, 256, 256, 224, 224))      # uint8 (32, 224, 224, 3)

Frame i is the i-th that a player shows, whatever the codec, the container or the rate. A video is a file, a folder of
images, `archive.tar#member`, an address that FFmpeg knows, or bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType

import numpy as np
import torch

from videonet.data.decoders.backends import available_backends, diagnose, open_reader
from videonet.data.decoders.error import VideoError
from videonet.data.window import Window

__all__ = ["Video", "VideoError", "available_backends", "decode", "diagnose"]

Indices = Sequence[int] | np.ndarray | torch.Tensor


class Video:
    """An open video. Close it, or use it as a context manager.

    Raises:
        VideoError: it is missing, empty, unreadable, or has no video stream or no frame.
        ValueError: there is no backend of that name.
    """

    def __init__(self, video: str | os.PathLike | bytes, backend: str = "pyav") -> None:
        self.name = "<bytes>" if isinstance(video, (bytes, bytearray, memoryview)) else os.fspath(video)
        self._reader = open_reader(video, backend)

    @property
    def num_frames(self) -> int:
        """How many frames are shown."""
        return self._reader.num_frames

    @property
    def fps(self) -> float:
        """Frames a second; the mean rate where it varies."""
        return self._reader.fps

    @property
    def height(self) -> int:
        """Rows as displayed, with the rotation that the file asks for."""
        return self._reader.shape[0]

    @property
    def width(self) -> int:
        """Columns as displayed, with the rotation that the file asks for."""
        return self._reader.shape[1]

    @property
    def times(self) -> np.ndarray:
        """Seconds at which each frame is shown on the file's clock, which need not start at 0. float64 (num_frames,)"""
        return self._reader.times

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        times = self.times
        return float(times[-1] - times[0]) + 1 / self.fps

    @property
    def missing(self) -> int:
        """Places of the clips read so far that show a neighbouring frame, since their own could not be decoded."""
        return self._reader.missing

    @property
    def errors(self) -> int:
        """Packets and frames that the decoder complained about so far."""
        return self._reader.errors

    def read(self, indices: Indices, window: Window | None = None) -> torch.Tensor:
        """The frames of some indices, in any order and as often as wanted. uint8 (T, H, W, 3)

        Cropped and scaled as the window says while they are decoded; whole frames without one.

        Raises:
            VideoError: none of the frames could be decoded.
            ValueError: an index or the window lies outside the video.
        """
        return self.read_many([(indices, window)])[0]

    def read_many(self, requests: Sequence[tuple[Indices, Window | None]]) -> list[torch.Tensor]:
        """Several clips of (indices, window) from one decode; frames that they share are decoded once."""
        checked = [(self._checked(indices), window) for indices, window in requests]
        for window in {window for _, window in checked if window is not None}:
            window.check(*self._reader.shape)
        return self._reader.read_many(checked)

    def close(self) -> None:
        """Let go of the file; more than once does no harm."""
        self._reader.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _checked(self, indices: Indices) -> np.ndarray:
        frames = np.asarray(indices)
        if frames.ndim != 1 or (frames.size and not np.issubdtype(frames.dtype, np.integer)):
            raise ValueError(f"{self.name}: frame indices are a list of integers, got {frames.dtype} {frames.shape}")
        outside = frames[(frames < 0) | (frames >= self.num_frames)]
        if outside.size:
            raise ValueError(
                f"{self.name}: frame {outside[0]} asked for, but frames go from 0 to {self.num_frames - 1}"
            )
        return frames.astype(np.int64)


def decode(
    video: str | os.PathLike | bytes, indices: Indices, window: Window | None = None, backend: str = "pyav"
) -> torch.Tensor:
    """The frames of some indices of a video: `Video.read` in one call. uint8 (T, H, W, 3)"""
    with Video(video, backend) as opened:
        return opened.read(indices, window)
