"""Long files: only the packets around the frames asked for are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from av.packet import Packet

from videonet.data.decoders.error import VideoError
from videonet.data.decoders.film import Film, Section, listed, timeline_of
from videonet.data.decoders.stream import BROKEN, Stream, fitted_rate
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
    if stream.rate and stream.duration:
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
                section = self.load(part[0], part[-1])
                there = range(section.timeline.first, section.timeline.first + len(section.timeline))
                yield section, [frame for frame in part if frame in there]

    def load(self, low: int, high: int) -> Section:
        """The section with frames low to high and the keyframe that they need."""
        raise AssertionError("a long film says how it loads a section")

    def read(self, tick: int, enough: Callable[[list[Packet]], bool]) -> list[Packet]:
        """Packets from about the keyframe at or before a time on, until there are enough; the first is a keyframe."""
        packets: list[Packet] = []
        try:
            self.stream.container.seek(tick, stream=self.stream.video)
        except BROKEN:  # some containers refuse a time before their first
            return packets
        try:
            for packet in self.stream.container.demux(self.stream.video):
                if packet.size and (packets or packet.is_keyframe):
                    packets.append(packet)
                    if enough(packets):
                        break
        except BROKEN:
            self.errors += 1
        return packets

    def unsound(self, frame: int) -> VideoError:
        """What to say when the packets around a frame cannot be put in order."""
        return VideoError(self.stream.name, f"decode error at frame {frame}", "the packets there have no order")


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
        length = high - low + len(self._hidden) + 2 * _REORDER
        while True:
            wanted = place + length
            packets = self.read(
                self._entries[place].timestamp, lambda packets, end=wanted: self._place(packets[0]) + len(packets) > end
            )
            start = self._place(packets[0]) if packets else 0
            timeline = timeline_of(self.stream, packets, start - sum(hidden < start for hidden in self._hidden))
            if timeline is None or not timeline.ordered or not timeline.first <= low < timeline.first + len(timeline):
                raise self.unsound(low)
            if start == 0 or timeline.closed or timeline.pts[low - timeline.first] >= timeline.time(0):
                return Section(packets, timeline, True, bool(self.errors))
            place, length = start - 1, high - start + 2 * _REORDER  # the first frame leans on the group before

    def _place(self, packet: Packet) -> int:
        """The place of a packet in the index."""
        near = self._entries.search_timestamp(packet.dts, any_frame=True)
        for place in sorted(range(max(near - _REORDER, 0), near + _REORDER), key=lambda place: abs(place - near)):
            if place < len(self._entries) and self._entries[place].pos == packet.pos:
                return place
        raise VideoError(self.stream.name, "unreadable", "its index does not list its packets")


class TimedFilm(LongFilm):
    """Another long file: frame i is the one shown nearest to i / rate after the first."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._base = float(stream.video.time_base)
        self._start = stream.video.start_time or 0
        heads = (self._from(tick, lambda packets: len(packets) > 3 * _REORDER)[1] for tick in self._before(self._start))
        if head := next(filter(None, heads), None):
            self.fps = fitted_rate(stream.seconds(head.pts[: max(len(head) - _REORDER, 8)]), stream.rate)
        end = self._start + self._ticks(max(stream.duration - 1, 0))
        last = max((packet.pts for packet in self.read(end, lambda packets: False) if packet.pts), default=self._start)
        self.num_frames = max(round((last - self._start) * self._base * self.fps), 0) + 1

    def _ticks(self, seconds: float) -> int:
        return int(seconds / self._base)

    @cached_property
    def times(self) -> np.ndarray:
        return self._start * self._base + np.arange(self.num_frames) / self.fps

    def load(self, low: int, high: int) -> Section:
        ticks = self._start + np.rint(np.arange(low, high + 1) / self.fps / self._base).astype(np.int64)
        first, past = int(ticks[0]), int(ticks[-1]) + self._ticks(_REORDER / self.fps)
        for tick in self._before(first):
            packets, timeline = self._from(tick, lambda packets: packets[-1].pts is not None and packets[-1].pts > past)
            if timeline and (tick <= self._start or (timeline.closed and timeline.time(0) <= first)):
                return Section(packets, timeline.nearest(ticks, low), listed(self.stream), bool(self.errors))
        raise self.unsound(low)

    def _before(self, tick: int) -> Iterator[int]:
        """Times to seek to for a frame, ever earlier: what is found may begin after it, or lean on what is before."""
        back = 0.5
        while (earlier := tick - self._ticks(back)) > self._start:
            yield earlier
            back = 2 * back + 1
        yield from (self._start - self._ticks(10), self._start)

    def _from(self, tick: int, enough: Callable[[list[Packet]], bool]) -> tuple[list[Packet], Timeline | None]:
        """Packets from a time on and their timeline, None if they cannot be put in order."""
        packets = self.read(tick, enough)
        timeline = timeline_of(self.stream, packets) if packets else None
        return packets, timeline if timeline is not None and len(timeline) and timeline.ordered else None
