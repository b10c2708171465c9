"""Long files: only the packets around the frames asked for are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import av
import numpy as np
from av.packet import Packet

from videonet.data.decoders.error import VideoError
from videonet.data.decoders.film import Film, Section, timeline_of
from videonet.data.decoders.stream import Stream
from videonet.data.timeline import Timeline

LONG = 64 << 20  # bytes from which a file is not read whole
_REORDER = 32  # packets: more than any decoder holds back (16), so that a part has all of a frame's neighbours
_APART = 300  # frames between two that are not worth reading for both


def film_of(stream: Stream, size: int) -> Film:
    """The film of a stream in a file of `size` bytes, in parts where it is long and its container can be entered."""
    kind = stream.container.format.name
    if size < LONG or kind == "avi":
        return Film(stream)
    if "mp4" in kind and stream.video.frames and len(stream.video.index_entries):
        return IndexedFilm(stream)
    if stream.rate and (stream.video.duration or stream.container.duration):
        return TimedFilm(stream)
    return Film(stream)


class LongFilm(Film):
    """A film of which `sections` reads the parts asked for; subclasses know where a frame is."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.errors = 0
        self.exact = True
        self.fps = stream.rate

    def opening(self) -> Section:
        return self.load(0, 0)

    def sections(self, frames: Sequence[int]) -> Iterator[tuple[Section, Sequence[int]]]:
        cuts = [0, *(np.flatnonzero(np.diff(frames) > _APART) + 1).tolist(), len(frames)]
        for begin, end in zip(cuts, cuts[1:]):
            if part := frames[begin:end]:
                yield self.load(part[0], part[-1]), part

    def load(self, low: int, high: int) -> Section:
        """The section with frames low to high and the keyframe that they need."""
        raise AssertionError("a long film says how it loads a section")

    def read(self, tick: int, enough: Callable[[Packet, int], bool]) -> list[Packet]:
        """Packets from the keyframe at or before a time, up to the first for which `enough(packet, count)` holds."""
        packets: list[Packet] = []
        try:
            self.stream.container.seek(tick, stream=self.stream.video)
            for packet in self.stream.container.demux(self.stream.video):
                if packet.size:
                    packets.append(packet)
                    if enough(packet, len(packets)):
                        break
        except (av.FFmpegError, OSError):
            self.errors += 1
        return packets

    def sound(self, packets: list[Packet], first: int) -> Timeline:
        """The timeline of packets that were read, which must tell frames apart."""
        timeline = timeline_of(self.stream, packets, first) if packets else None
        if timeline is None or not len(timeline) or not timeline.ordered:
            raise VideoError(self.stream.name, f"decode error at frame {first}", "the packets there have no order")
        return timeline


class IndexedFilm(LongFilm):
    """A long MP4 or QuickTime file: its index lists every packet, so frames are counted exactly.

    `times` are the index's decoding times, put in place of the presentation times: the same where the rate is constant.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._entries = stream.video.index_entries
        self._hidden = [place for place in range(min(len(self._entries), 512)) if self._entries[place].is_discard]
        self.num_frames = len(self._entries) - len(self._hidden)

    @cached_property
    def times(self) -> np.ndarray:
        ticks = np.sort([entry.timestamp for entry in self._entries if not entry.is_discard])
        return self.stream.seconds(ticks - ticks[0] + (self.stream.video.start_time or 0))

    def load(self, low: int, high: int) -> Section:
        place = max(low + len(self._hidden) - _REORDER, 0)
        stop = high + len(self._hidden) + _REORDER
        while True:
            tick = self._entries[place].timestamp
            start = self._entries.search_timestamp(tick)
            packets = self.read(tick, lambda packet, count, start=start: start + count > stop)
            timeline = self.sound(packets, start - sum(hidden < start for hidden in self._hidden))
            if start <= 0 or timeline.closed or timeline.pts[low - timeline.first] >= timeline.time(0):
                return Section(packets, timeline)
            place = start - 1  # the first frame leans on the group before


class TimedFilm(LongFilm):
    """Another long file: frame i is the one shown nearest to i / rate after the first."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        video = stream.video
        self._base = float(video.time_base)
        self._start = video.start_time or 0
        end = video.duration * self._base if video.duration else stream.container.duration / av.time_base
        tail = self.read(self._tick(max(end - 1, 0)), lambda packet, count: False)
        last = max((packet.pts for packet in tail if packet.pts is not None), default=self._start)
        self.num_frames = round((last - self._start) * self._base * self.fps) + 1

    def _tick(self, seconds: float) -> int:
        return self._start + int(seconds / self._base)

    @cached_property
    def times(self) -> np.ndarray:
        return self._start * self._base + np.arange(self.num_frames) / self.fps

    def load(self, low: int, high: int) -> Section:
        ticks = self._start + np.rint(np.arange(low, high + 1) / self.fps / self._base).astype(np.int64)
        past = int(ticks[-1]) + int(_REORDER / self.fps / self._base)
        back = 0.0
        while True:
            packets = self.read(
                max(int(ticks[0]) - int(back / self._base), self._start),
                lambda packet, count: packet.pts is not None and packet.pts > past,
            )
            timeline = self.sound(packets, low)
            reaches = timeline.time(0) <= int(ticks[0]) and timeline.closed
            if reaches or back / self._base > ticks[0] - self._start:
                return Section(packets, timeline.nearest(ticks, low))
            back = back * 2 + 1.0  # the keyframe found is later than the frame, or the frame leans on the group before
