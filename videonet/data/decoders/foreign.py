"""Readers over other libraries: their frames, held against the exact table of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from videonet.data.decoders.clips import Clips, Request
from videonet.data.decoders.error import VideoError
from videonet.data.decoders.film import Film
from videonet.data.decoders.pyav import PyavReader
from videonet.data.decoders.source import Source
from videonet.data.transforms import apply_window

Result = TypeVar("Result")


class ForeignReader:
    """A video read with another library (see `reader.Reader`). A frame that is not the one asked for is an error.

    The facts are those of the file's own table, demuxed with PyAV; number, size and time of what comes must agree.
    Subclasses open a source, count its frames and fetch some: uint8 (T, H, W, 3) and the seconds they are shown at.
    """

    library = ""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.missing = self.errors = 0
        truth = PyavReader(source)
        try:
            self.num_frames, self.fps = truth.num_frames, truth.fps
            self.times, self.shape = truth.times, truth.shape
            doubt = self.doubt(truth.film) if truth.exact else "the packets do not tell which frames they show"
        finally:
            truth.close()
        if doubt:
            raise self._wrong(doubt)
        self._decoder = self._said(self.open, source)
        if (count := self._said(self.count)) != self.num_frames:
            raise self._wrong(f"it counts {count} frames where the file shows {self.num_frames}")

    def open(self, source: Source) -> object:
        """The library's own reader of a source."""
        raise AssertionError("a reader opens its library")

    def count(self) -> int:
        """How many frames the library finds."""
        raise AssertionError("a reader counts frames")

    def fetch(self, indices: list[int]) -> tuple[torch.Tensor, np.ndarray]:
        """Frames uint8 (T, H, W, 3) of ascending indices, and their seconds."""
        raise AssertionError("a reader fetches frames")

    def doubt(self, film: Film) -> str:
        """Why the library cannot be trusted with these packets; nothing where it can."""
        return ""

    def read_many(self, requests: Sequence[Request]) -> list[torch.Tensor]:
        unique, places = np.unique(np.concatenate([frames for frames, _ in requests]), return_inverse=True)
        if not unique.size:
            return Clips(requests, self.shape).tensors
        frames, seconds = self._said(self.fetch, unique.tolist())
        if tuple(frames.shape[1:3]) != self.shape:
            raise self._wrong(f"its frames are {tuple(frames.shape[1:3])} where {self.shape} are displayed")
        late = np.abs(seconds - self.times[unique]) > 0.5 / self.fps
        if late.any():
            raise self._wrong(f"frame {unique[late][0]} is not the one it returns")
        clips = []
        for places_of, (_, window) in zip(np.split(places, np.cumsum([len(i) for i, _ in requests])[:-1]), requests):
            clip = frames[torch.from_numpy(places_of.copy())]
            clips.append(apply_window(clip, window) if window else clip)
        return clips

    def close(self) -> None:
        self._decoder = None

    def _said(self, function: Callable[..., Result], *arguments: object) -> Result:
        """The function's result; whatever the library raises becomes a VideoError."""
        try:
            return function(*arguments)
        except VideoError:
            raise
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise VideoError(self.name, "unreadable", f"{self.library} says: {lines[0]}") from error

    def _wrong(self, what: str) -> VideoError:
        return VideoError(
            self.name, "wrong frames", f"{self.library} cannot be relied on here: {what}; use backend pyav"
        )
