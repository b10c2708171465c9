"""The best video stream of a source, opened by PyAV with every other stream switched off."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from types import TracebackType

import av
import numpy as np
from av.video.stream import VideoStream

from videonet.data.decoders.error import VideoError
from videonet.data.decoders.source import Source

MAX_PIXELS = 1 << 26  # 8192 x 8192: beyond it a damaged header is likelier than a video
BROKEN = (av.FFmpegError, OSError, IndexError)  # what demuxing raises; the last when a stream appears out of nowhere
_TEXT_ART = ("ansi", "bintext", "xbin", "idf")
_ATTACHED_PICTURE, _DISCARD_ALL = 0x400, 48  # AV_DISPOSITION_ATTACHED_PIC, AVDISCARD_ALL


class Stream:
    """An open container and its video stream. Use as a context manager or call `close`."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._file = source.open()
        self.container = self._open(source)
        try:
            self.video = self._pick()
        except BaseException:
            self.close()
            raise

    def _open(self, source: Source) -> av.container.InputContainer:
        target = self._file or source.address or f"file:{source.path}"
        options = {"pattern_type": "none"}
        if not source.address:
            options["protocol_whitelist"] = "file"
        try:
            return av.open(target, "r", container_options=options, metadata_errors="ignore", buffer_size=1 << 18)
        except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
            self._close_file()
            raise VideoError(self.name, "unreadable", _words(error)) from error

    def _pick(self) -> VideoStream:
        best = self.container.streams.best("video")
        if best is None or _is_cover(best) or best.codec_context is None:
            kinds = ", ".join(sorted({stream.type for stream in self.container.streams})) or "no stream"
            raise VideoError(self.name, "no video stream", f"the file has {kinds}")
        if best.codec_context.name in _TEXT_ART:
            raise VideoError(self.name, "no video stream", "the file is text")
        for stream in self.container.streams:
            if stream.index != best.index:
                with contextlib.suppress(AttributeError):  # PyAV before it could switch streams off
                    stream.discard = _DISCARD_ALL
        best.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        best.codec_context.thread_count = 1
        return best

    @property
    def rate(self) -> float:
        """Frames a second as the container says, 0 where it does not."""
        rate = float(self.video.average_rate or self.video.guessed_rate or 0)
        return rate if 0 < rate <= 1000 else 0.0

    @property
    def duration(self) -> float:
        """Seconds that the stream, or else the container, says it lasts; 0 where neither does."""
        if self.video.duration and self.video.time_base:
            return float(self.video.duration * self.video.time_base)
        return max(self.container.duration or 0, 0) / av.time_base

    def seconds(self, ticks: np.ndarray) -> np.ndarray:
        """Ticks of the stream in seconds, float64."""
        base = self.video.time_base or Fraction(1, 1000)
        return ticks * base.numerator / base.denominator

    def close(self) -> None:
        """Close the container and the file under it; more than once does no harm."""
        self.container.close()
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _is_cover(video: VideoStream) -> bool:
    """Whether a stream is a picture that goes with a sound (PyAV tells by an integer since 17.1, by a flag before)."""
    return bool(getattr(video.disposition, "value", video.disposition) & _ATTACHED_PICTURE)


def _words(error: Exception) -> str:
    """What FFmpeg said, in one line and without the path that the message repeats."""
    return getattr(error, "strerror", None) or str(error).splitlines()[0] if str(error) else type(error).__name__


def fitted_rate(times: np.ndarray, said: float) -> float:
    """Frames a second: the container's word if the frames bear it out within half a percent, otherwise theirs."""
    span = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    if span <= 0:
        return said or 30.0
    measured = (len(times) - 1) / span
    return said if said and abs(said - measured) < 0.005 * measured else measured
