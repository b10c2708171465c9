"""From a decoded frame to the RGB pixels of a window: crop without a copy, scale in YUV, then one conversion."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import av
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from videonet.data.window import Window

_PLANAR_420 = ("yuv420p", "yuvj420p")
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED


class Turn(NamedTuple):
    """How coded rows and columns become displayed ones: transpose first, then mirror rows, then columns."""

    transpose: bool = False
    rows: bool = False
    columns: bool = False

    def displayed(self, pixels: np.ndarray) -> np.ndarray:
        """A view of coded pixels (H, W, 3) as displayed."""
        if self.transpose:
            pixels = pixels.swapaxes(0, 1)
        return pixels[:: -1 if self.rows else 1, :: -1 if self.columns else 1]

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) as displayed of a coded frame, and the other way round."""
        return (width, height) if self.transpose else (height, width)

    def coded(self, window: Window, height: int, width: int) -> Window:
        """A window on the displayed frame of height x width as a window on the coded one."""
        y = height - window.y - window.h if self.rows else window.y
        x = width - window.x - window.w if self.columns else window.x
        if not self.transpose:
            return replace(window, y=y, x=x)
        return Window(x, y, window.w, window.h, window.out_w, window.out_h)


_UPRIGHT = Turn()


def turn_of(frame: VideoFrame) -> Turn:
    """The right-angled turn that a frame's display matrix asks for (rotation and mirroring)."""
    try:
        attached = frame.side_data
        data = attached.get("DISPLAYMATRIX") if len(attached) else None
    except ValueError:  # side data of a kind that this PyAV has no name for
        data = None
    if data is None:
        return _UPRIGHT
    matrix = np.frombuffer(data, np.int32)
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(a) >= abs(b):
        return Turn(False, d < 0, a < 0)
    return Turn(True, b < 0, c < 0)


def shape_of(frame: VideoFrame) -> tuple[int, int]:
    """(height, width) of a frame as displayed."""
    return turn_of(frame).shape(frame.height, frame.width)


class Screen:
    """Shows decoded frames in one window (None: whole frames) as uint8 RGB.

    `shape` is the displayed (height, width) that the window is meant for; a frame of another size, as in a stream that
    changes size, shows the same part of the picture. In formats of more than 8 bits with subsampled chroma the
    rectangle is moved to even rows and columns. Conversions keep their state from frame to frame.
    """

    def __init__(self, window: Window | None, shape: tuple[int, int]) -> None:
        if window:
            window.check(*shape)
        self._window = window or Window(0, 0, *shape, *shape)
        self._shape = shape
        self._scaler, self._converter = VideoReformatter(), VideoReformatter()
        self._seen: tuple[object, ...] = ()
        self._turn = _UPRIGHT
        self._graph: Graph | None = None
        self._size = shape

    def show(self, frame: VideoFrame) -> np.ndarray:
        """The window's pixels (out_h, out_w, 3); they are good until the next frame is shown."""
        turn = turn_of(frame)
        seen = (frame.width, frame.height, frame.format.name, turn)
        if seen != self._seen:
            self._fit(frame, turn)
            self._seen = seen
        try:
            return self._convert(frame)
        except av.FFmpegError:  # colours of a kind that there is not: shown as those of a frame that does not say
            frame.colorspace, frame.color_range = _UNSPECIFIED, 0
            return self._convert(frame)

    def _convert(self, frame: VideoFrame) -> np.ndarray:
        if self._graph:
            self._graph.vpush(frame)
            frame = self._graph.vpull()
        height, width = self._size
        if frame.format.name in _PLANAR_420 and (frame.width, frame.height) != (width, height):
            frame = self._scaler.reformat(
                frame, width, height, frame.format, interpolation=Interpolation.BILINEAR, threads=1
            )
        frame = self._converter.reformat(frame, width, height, "rgb24", interpolation=Interpolation.BILINEAR, threads=1)
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : width * 3]
        return self._turn.displayed(rows.reshape(height, width, 3))

    def _fit(self, frame: VideoFrame, turn: Turn) -> None:
        height, width = turn.shape(frame.height, frame.width)
        window = self._window
        if (height, width) != self._shape:
            window = _rescaled(window, self._shape, (height, width))
        window = turn.coded(window, height, width)
        self._turn, self._size = turn, (window.out_h, window.out_w)
        whole = (window.y, window.x, window.h, window.w) == (0, 0, frame.height, frame.width)
        self._graph = None if whole else _crop(frame, window)


def _rescaled(window: Window, old: tuple[int, int], new: tuple[int, int]) -> Window:
    """The window on a frame of another size that shows the same part of the picture."""
    (y, h), (x, w) = (
        _stretch(at, length, before, after)
        for at, length, before, after in zip((window.y, window.x), (window.h, window.w), old, new)
    )
    return replace(window, y=y, x=x, h=h, w=w)


def _stretch(at: int, length: int, before: int, after: int) -> tuple[int, int]:
    size = min(max(round(length * after / before), 1), after)
    return min(round(at * after / before), after - size), size


def _crop(frame: VideoFrame, window: Window) -> Graph:
    """A filter graph that crops frames of this kind without copying them."""
    y, x = window.y, window.x
    if frame.format.name not in _PLANAR_420:  # 8-bit planes may start at any pixel, others on whole chroma samples
        y -= y % (8 // frame.format.chroma_height(8))
        x -= x % (8 // frame.format.chroma_width(8))
    graph = Graph()
    graph.threads = 1  # otherwise one a core is started for each graph
    size = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
    graph.link_nodes(
        graph.add("buffer", f"{size}:time_base=1/1:pixel_aspect=1/1"),
        graph.add("crop", f"w={window.w}:h={window.h}:x={x}:y={y}:exact=1"),
        graph.add("buffersink"),
    )
    graph.configure()
    return graph
