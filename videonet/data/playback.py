"""Playback: the frames of a video one after another, decoded once; and streams, of which only the newest part counts.

A video is a file, `archive.tar#member`, an address that FFmpeg opens (rtsp://, http://, udp:// ...), `camera:0` where
FFmpeg has the system's cameras, or `-` for what is piped in.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

import av
import numpy as np
from av.video.frame import VideoFrame

from videonet.data.decoders.decoder import Decoder
from videonet.data.decoders.error import VideoError
from videonet.data.decoders.screen import shape_of
from videonet.data.decoders.source import Source, locate
from videonet.data.decoders.stream import Stream, fitted_rate

FIRST = 16  # frames that tell the rate
LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "srt", "camera")
CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none")}

T = TypeVar("T")


def is_live(address: str) -> bool:
    """Whether the frames of an address come at their own time, so that they wait for nobody."""
    return address.partition(":")[0].lower() in LIVE


class Shown(NamedTuple):
    """A frame as it comes out: which one it is, the second it is shown at (from the first), the decoded picture."""

    index: int
    seconds: float
    picture: VideoFrame


class Camera(Stream):
    """The stream of a camera of this machine, by its number."""

    def _open(self, source: Source) -> av.container.InputContainer:
        number = self.name.partition(":")[2]
        format_, address = CAMERAS.get(sys.platform, ("", "{}"))
        if format_ not in av.formats_available:
            raise VideoError(
                self.name,
                "unreadable",
                f"the FFmpeg inside PyAV has no cameras on {sys.platform}; pipe it: "
                f"`ffmpeg -f {format_ or 'dshow'} -i CAMERA -f mpegts - | videonet predict - ...`",
            )
        try:
            return av.open(address.format(number), format=format_)
        except (av.FFmpegError, OSError) as error:
            raise VideoError(self.name, "unreadable", f"no camera {number}: {error}") from error


class Playback:
    """An open video that is read from its first frame to its last, once. Close it, or use it as a context manager.

    `shape` is (height, width) as displayed, `fps` the container's rate, or that of the first frames where they
    differ (30 of a single one), `live` whether frames come at their own time.

    Raises:
        VideoError: it is missing, empty, unreadable, or has no video stream or no frame.
    """

    def __init__(self, video: str | os.PathLike | bytes) -> None:
        self.name = "<bytes>" if isinstance(video, bytes) else os.fspath(video)
        self._stream = _stream_of(video)
        self.live = is_live(self.name)
        self._decoder = Decoder(self._stream.video.codec_context)
        self._pictures = self._decoded()
        self._first = list(islice(self._pictures, FIRST))
        if not self._first:
            self.close()
            raise VideoError(self.name, "no frames", "nothing in the video stream decodes")
        self.shape = shape_of(self._first[0])
        self.fps = self._rate()

    def _rate(self) -> float:
        """The container's rate where the first frames bear it out, else that of the usual distance between them."""
        ticks = np.array([picture.pts for picture in self._first if picture.pts is not None], np.int64)
        times = self._stream.seconds(ticks)
        rate = fitted_rate(times, self._stream.rate)
        gaps = np.diff(times)
        return (
            rate if rate == self._stream.rate or not (gaps > 0).all() or not len(gaps) else 1 / float(np.median(gaps))
        )

    @property
    def errors(self) -> int:
        """Packets that the decoder complained about so far."""
        return self._decoder.errors

    def __iter__(self) -> Iterator[Shown]:
        """Frames in the order they are shown; where the clock of a stream jumps back, time goes on all the same."""
        step, base = 1 / self.fps, float(self._stream.video.time_base)
        last, offset = -step, None
        for index, picture in enumerate(self._all()):
            clock = last + step - (offset or 0) if picture.pts is None else picture.pts * base
            if offset is None or clock + offset <= last:
                offset = last + step - clock
            last = clock + offset
            yield Shown(index, last, picture)

    def _all(self) -> Iterator[VideoFrame]:
        first, self._first = self._first, []
        while first:
            yield first.pop(0)
        yield from self._pictures

    def _decoded(self) -> Iterator[VideoFrame]:
        packets = self._stream.container.demux(self._stream.video)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):  # the stream broke off
                self._decoder.errors += 1
                packet = None
            if packet is None or packet.size:
                yield from self._decoder.feed(packet)
            if packet is None:
                return

    def close(self) -> None:
        """Let go of the video; more than once does no harm."""
        self._stream.close()

    def __enter__(self) -> Playback:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _stream_of(video: str | os.PathLike | bytes) -> Stream:
    if video == "-":
        return Stream(Source("-", 0, address="pipe:0"))
    if isinstance(video, str) and video.startswith("camera:"):
        return Camera(Source(video, 0, address=video))
    source = locate(video)
    if source.folder:
        raise VideoError(source.name, "unreadable", "a folder of images has no times; make a video of it")
    return Stream(source)


class Newest(Generic[T]):
    """Items of an iterator that runs in a thread of its own: always the newest one, older ones are dropped.

    `dropped` counts those that nobody took in time. What the iterator raises is raised where the items are taken.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self.dropped = 0
        self._items = items
        self._slot: queue.Queue = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _put(self, item: object) -> None:
        while True:
            try:
                return self._slot.put_nowait(item)
            except queue.Full:
                try:
                    self._slot.get_nowait()
                    self.dropped += 1
                except queue.Empty:  # it has just been taken
                    continue

    def _run(self) -> None:
        ending: object = _End()
        try:
            for item in self._items:
                self._put(item)
        except BaseException as error:  # handed to the thread that takes the items
            ending = _End(error)
        self._slot.put(ending)  # waits until the last item was taken

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        while not isinstance(item := self._slot.get(), _End):
            yield item
        if item.error is not None:
            raise item.error


class _End:
    """That no item follows, and why if something went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
