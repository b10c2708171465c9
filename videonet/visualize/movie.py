"""Movies: videos of drawn frames, written with PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

TICKS = 30000  # a second; few enough for every codec, and 29.97 frames a second fit
CODECS = ("libx264", "mpeg4")


class Movie:
    """A video file that takes frames with their seconds. H.264 where FFmpeg has it; odd sides lose a row or column.

    The file has its name only when it was closed without an error.
    """

    def __init__(self, path: str | Path, height: int, width: int, fps: float) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in (".mp4", ".mkv", ".mov"):
            raise ValueError(f"{path}: a drawn video is an .mp4, .mkv or .mov file")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self.path.with_name(f".{self.path.stem}.tmp{self.path.suffix}")
        self._container = av.open(str(self._temporary), "w")
        codec = next(name for name in CODECS if name in av.codecs_available)
        self._stream = self._container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        self._stream.height, self._stream.width = max(height - height % 2, 2), max(width - width % 2, 2)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)

    def write(self, frame: np.ndarray, seconds: float) -> None:
        """Append a frame, uint8 RGB (height, width, 3), shown at that second; seconds must grow."""
        height, width = self._stream.height, self._stream.width
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
        picture.pts, picture.time_base = round(seconds * TICKS), Fraction(1, TICKS)
        self._container.mux(self._stream.encode(picture))

    def __enter__(self) -> Movie:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._container.mux(self._stream.encode())
        self._container.close()
        if kind is None:
            self._temporary.replace(self.path)
        else:
            self._temporary.unlink(missing_ok=True)
