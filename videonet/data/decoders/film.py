"""The packets of a video, demuxed once and undecoded, with the timeline that says which of them show what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from av.packet import Packet

from videonet.data.decoders.stream import BROKEN, Stream, fitted_rate
from videonet.data.timeline import Timeline

_NOTHING_CODED = 19  # bytes: an MPEG-4 packet this small shows no picture of its own
_PROGRESSIVE = (0, 1)
_INTRA_ONLY = ("mjpeg", "png", "rawvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "prores", "dvvideo", "gif")


@dataclass
class Section:
    """Packets in decode order, and their timeline.

    `listed`: the container lists its packets, so that none can be lost without a trace; `damaged`: some were.
    """

    packets: list[Packet]
    timeline: Timeline
    listed: bool
    damaged: bool

    def complete(self, start: int, stop: int) -> bool:
        """Whether no packet seems to be lost between two places in decode order."""
        return not self.damaged and (self.listed or self.timeline.even(start, stop))


class Film:
    """All packets of a stream. `sections` hands them out; a longer file hands out only those asked for (`long.py`).

    `exact` is False where packets do not tell which frames they show, and frames must be decoded to be counted.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        packets, self.errors = demux(stream)
        timeline = timeline_of(stream, packets)
        sound = timeline is not None and timeline.ordered and timeline.closed
        self.exact = sound and not _must_count(stream, packets)
        damaged = bool(self.errors) or stream.video.frames not in (0, len(packets))
        timeline = timeline or Timeline(*(np.empty(0, kind) for kind in (int, bool, bool)))
        self._section = Section(packets, timeline, listed(stream), damaged)
        self.times = stream.seconds(self._section.timeline.pts)
        self.num_frames = len(self.times)
        self.fps = fitted_rate(self.times, stream.rate)

    @property
    def packets(self) -> list[Packet]:
        """Every packet, in decode order."""
        return self._section.packets

    def opening(self) -> Section:
        """The section that holds the first frame."""
        return self._section

    def sections(self, frames: Sequence[int]) -> Iterator[tuple[Section, Sequence[int]]]:
        """The sections to decode for some frames, each with its frames."""
        yield self._section, frames

    def timed(self, ticks: Sequence[int | None]) -> tuple[np.ndarray, float]:
        """Seconds and rate of frames that came out with these times; evenly spaced where the times are no use."""
        if ticks and None not in ticks:
            times = self.stream.seconds(np.array(ticks, np.int64))
            if (np.diff(times) > 0).all():
                return times, fitted_rate(times, self.stream.rate)
        spread = np.linspace(0, self.stream.duration, len(ticks), endpoint=False)
        rate = fitted_rate(spread, self.stream.rate)
        return np.arange(len(ticks)) / rate, rate


def demux(stream: Stream) -> tuple[list[Packet], int]:
    """Packets with something in them up to the end of the stream or to where it breaks, and whether it broke (0, 1)."""
    packets: list[Packet] = []
    try:
        packets.extend(packet for packet in stream.container.demux(stream.video) if packet.size)
    except BROKEN:
        return packets, 1
    return packets, 0


def listed(stream: Stream) -> bool:
    """Whether the container lists its packets (MP4, QuickTime), so that none can be lost without a trace."""
    return "mp4" in stream.container.format.name


def timeline_of(stream: Stream, packets: list[Packet], first: int = 0) -> Timeline | None:
    """The timeline of packets in decode order; None when one that shows a frame has no time."""
    hidden = _HIDDEN.get(stream.video.codec_context.name)
    discard = np.array([packet.is_discard or bool(hidden and hidden(packet)) for packet in packets], bool)
    times = [packet.pts for packet in packets]
    if any(time is None and not gone for time, gone in zip(times, discard)):
        return None
    pts = np.array([0 if time is None else time for time in times], np.int64)
    return Timeline(pts, np.array([packet.is_keyframe for packet in packets], bool), discard, first)


def _must_count(stream: Stream, packets: list[Packet]) -> bool:
    """Whether packets and frames may not match one to one, or times may not give the order of frames."""
    codec = stream.video.codec_context
    if codec.name == "mpeg4" and min((packet.size for packet in packets), default=0) <= _NOTHING_CODED:
        return True
    if codec.name in ("h264", "hevc") and getattr(codec, "field_order", 0) not in _PROGRESSIVE:
        return True
    return stream.container.format.name == "avi" and codec.name not in _INTRA_ONLY and bool(codec.has_b_frames)


def _hidden_vp8(packet: Packet) -> bool:
    return not memoryview(packet)[0] & 0x10


def _hidden_vp9(packet: Packet) -> bool:
    """Whether a packet holds one frame that is only referred to (VP9 bitstream, section 6.2)."""
    data = memoryview(packet)
    if data[-1] & 0xE0 == 0xC0:  # a superframe: several frames, of which one is shown
        return False
    profile = (data[0] >> 5 & 1) | (data[0] >> 3 & 2)
    shift = 2 if profile == 3 else 3
    existing, shown = data[0] >> shift & 1, data[0] >> (shift - 2) & 1
    return not existing and not shown


_HIDDEN = {"vp8": _hidden_vp8, "vp9": _hidden_vp9}
