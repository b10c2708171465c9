"""Videos whose packets do not tell which frames they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from av.video.frame import VideoFrame

from videonet.data.decoders.decoder import Decoder
from videonet.data.decoders.film import Film
from videonet.data.decoders.screen import shape_of


class Counted:
    """A video whose packets do not tell its frames (packed B frames, missing times): decoded in order and counted.

    The frames of a small video are kept from the counting, so that it is decoded once.
    """

    KEEP = 128 << 20  # bytes of decoded frames

    def __init__(self, decoder: Decoder, film: Film) -> None:
        self._decoder, self._film = decoder, film
        self._kept: list[VideoFrame] | None = []
        self.shape = (0, 0)
        ticks: list[int | None] = []
        room = self.KEEP
        for frame in self._frames():
            if not ticks:
                self.shape = shape_of(frame)
            ticks.append(frame.pts)
            room -= 4 * frame.width * frame.height
            if room < 0:
                self._kept = None
            elif self._kept is not None:
                self._kept.append(frame)
        self.num_frames = len(ticks)
        self.times, self.fps = film.timed(ticks)

    def _frames(self) -> Iterator[VideoFrame]:
        self._decoder.reset()
        for packet in (*self._film.packets, None):
            yield from self._decoder.feed(packet)

    def show(self, frames: Sequence[int], show: Callable[[int, VideoFrame], None]) -> None:
        """Show the frames of some indices."""
        wanted = set(frames)
        for index, frame in enumerate(self._kept if self._kept is not None else self._frames()):
            if index in wanted:
                show(index, frame)
            if index >= frames[-1]:
                break
