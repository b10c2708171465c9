"""Spans: stretches of a long video or a stream, and the clips that show them, gathered in one pass.

Of each frame only what a clip needs is converted and kept, so memory depends on the length of a span, not of the video.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from av.video.frame import VideoFrame

from videonet.data.playback import Playback, Shown

Sample = Callable[[int, float], np.ndarray]  # (frames of a span, frames a second) -> (views, T) of them
Show = Callable[[VideoFrame], np.ndarray]  # a decoded picture -> its pixels (H, W, 3)
TICK = 1e-6  # seconds: moments closer than this are one


@dataclass(frozen=True)
class Span:
    """Seconds `start` to `end` of a video, shown by one or several clips.

    frames uint8 (U, H, W, 3): the different ones; positions int64 (views, T): which of them each clip shows;
    ids int64 (views, T): their numbers in the video; arrived: when the last frame came (time.perf_counter).
    """

    number: int
    start: float
    end: float
    frames: torch.Tensor
    positions: torch.Tensor
    ids: np.ndarray
    arrived: float

    def clips(self) -> torch.Tensor:
        """uint8 (views, T, H, W, 3)."""
        return self.frames[self.positions]


class _Frame:
    """A frame whose pixels are converted when somebody first wants them; then the picture is let go."""

    def __init__(self, shown: Shown, show: Show) -> None:
        self.index, self.seconds = shown.index, shown.seconds
        self.pixels: np.ndarray | None = None
        self._picture, self._show = shown.picture, show

    def converted(self) -> _Frame:
        """The frame with its pixels and without its picture."""
        if self.pixels is None:
            self.pixels, self._picture = self._show(self._picture).copy(), None
        return self


@dataclass
class _Gathering:
    """A span that is not over: the seconds at which it wants frames, and the frames that it has."""

    number: int
    start: float
    wanted: np.ndarray
    picked: list[_Frame] = field(default_factory=list)

    def look(self, before: _Frame | None, frame: _Frame) -> None:
        """Take, for the moments up to this frame, the nearer one of it and the frame before it."""
        while not self.full and (moment := self.wanted[len(self.picked)]) <= frame.seconds + TICK:
            nearer = before is not None and moment - before.seconds <= frame.seconds - moment
            self.picked.append((before if nearer else frame).converted())

    @property
    def full(self) -> bool:
        """Whether every moment has its frame."""
        return len(self.picked) == len(self.wanted)


def spans(playback: Playback, sample: Sample, show: Show, *, window: float, stride: float) -> Iterator[Span]:
    """Spans of `window` seconds that start every `stride` seconds, each as soon as it is over.

    A span is sampled as a video of its length would be: `sample` picks among its frames at an even rate, and each is
    the frame shown nearest to that moment. The last one may run past the end of the video, by at most half of it where
    there are others; its missing frames repeat the last one.
    """
    if window <= 0 or stride <= 0:
        raise ValueError(f"window and stride are seconds above 0, got {window:g} and {stride:g}")
    fps = playback.fps
    chosen = np.asarray(sample(max(round(window * fps), 1), fps))
    unique, positions = np.unique(chosen, return_inverse=True)
    positions = torch.from_numpy(positions.reshape(chosen.shape))
    half = 0.5 / fps
    waiting: deque[_Gathering] = deque()
    coming, before, covered = 0, None, 0.0
    for shown in playback:
        frame = _Frame(shown, show)
        while coming * stride <= frame.seconds + half:
            start = coming * stride
            if start + max(window, 2 * half) > frame.seconds + half or not coming:  # else no frame is in it
                waiting.append(_Gathering(coming, start, start + unique / fps))
            coming += 1
        for span in waiting:
            span.look(before, frame)
        while waiting and waiting[0].full and waiting[0].start + window <= frame.seconds + 3 * half:
            covered = waiting[0].start + window
            yield _finish(waiting.popleft(), covered, positions)
        before = frame
    end = before.seconds + 2 * half
    for span in waiting:
        inside = min(span.start + window, end) - span.start
        if covered < end - half and (inside >= window / 2 or not covered):
            span.picked += [before.converted()] * (len(unique) - len(span.picked))
            covered = span.start + inside
            yield _finish(span, covered, positions)


def _finish(span: _Gathering, end: float, positions: torch.Tensor) -> Span:
    frames = torch.from_numpy(np.stack([frame.pixels for frame in span.picked]))
    ids = np.array([frame.index for frame in span.picked], np.int64)[positions.numpy()]
    return Span(span.number, span.start, end, frames, positions, ids, time.perf_counter())


def batched(items: Iterator[Span], size: int) -> Iterator[Sequence[Span]]:
    """Spans in groups of at most `size`, in order."""
    while group := list(islice(items, size)):
        yield group
