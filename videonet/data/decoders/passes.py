"""Two ways to decode some frames of a section: only what they need, or everything, as a player would."""

from __future__ import annotations

from collections.abc import Sequence

from av.video.frame import VideoFrame

from videonet.data.decoders.decoder import Decoder
from videonet.data.decoders.film import Section
from videonet.data.decoders.projector import Projector
from videonet.data.timeline import Timeline

Ahead = tuple[list[VideoFrame], int]


def quick(
    decoder: Decoder, section: Section, frames: Sequence[int], projector: Projector, ahead: Ahead | None = None
) -> bool:
    """Decode from keyframes to the frames, without those that nothing needs, and show them.

    ahead: the decoder stands behind so many packets of the section, and these frames came out already.
    False when anything looks wrong; then what was shown cannot be trusted.
    """
    timeline = section.timeline
    local = [frame - timeline.first for frame in frames]
    needed = {int(timeline.position[frame]) for frame in local}
    wanted = _by_time(timeline, frames)
    for start, stop in timeline.ranges(local):
        came, at = [], start
        if ahead and start == 0:
            came, at = ahead
        else:
            decoder.reset()
        skip = section.complete(start, stop)
        stretch = _Stretch(timeline, start, decoder, wanted, projector)
        if not stretch.take(came):
            return False
        for place in range(at, stop + 1):
            came = decoder.feed(section.packets[place], not skip or place in needed)
            if (came or decoder.errors != stretch.errors) and not stretch.take(came, place):
                return False
        if not stretch.take(decoder.feed(None)) or not stretch.began:
            return False
        ahead = None
    projector.finish()
    return not projector.clips.lacking.intersection(frames)


class _Stretch:
    """What comes out between a keyframe and the last frame wanted, watched for anything odd."""

    def __init__(
        self, timeline: Timeline, start: int, decoder: Decoder, wanted: dict[int, list[int]], projector: Projector
    ) -> None:
        self._timeline, self._decoder, self._wanted, self._projector = timeline, decoder, wanted, projector
        self._key = timeline.time(start)
        self.errors = decoder.errors
        self.began = not timeline.shows(start)  # a keyframe that is shown must come out, and be one

    def take(self, frames: list[VideoFrame], place: int | None = None) -> bool:
        """Show what is wanted of the frames that came for the packet at a place; False at the first oddity."""
        if place is not None and self._timeline.time(place) < self._key:
            self.errors = self._decoder.errors  # leans on the group before, which is not there
        for frame in frames:
            if frame.pts is None or frame.pts < self._key:
                continue
            if frame.is_corrupt or (frame.pts == self._key and not self._decoder.can_begin(frame)):
                return False
            self.began = self.began or frame.pts == self._key
            for index in self._wanted.get(frame.pts, ()):
                self._projector.show(index, frame)
        return self._decoder.errors == self.errors


def careful(decoder: Decoder, section: Section, frames: Sequence[int], projector: Projector) -> None:
    """Decode every packet from the first on, until all frames came, and show them."""
    wanted = _by_time(section.timeline, frames)
    for packet in (*section.packets, None):
        for frame in decoder.feed(packet):
            decoder.errors += frame.is_corrupt
            for index in wanted.pop(frame.pts, ()):
                projector.show(index, frame)
        if not wanted:
            break
    projector.finish()


def _by_time(timeline: Timeline, frames: Sequence[int]) -> dict[int, list[int]]:
    """Frames by presentation time."""
    times: dict[int, list[int]] = {}
    for frame in frames:
        times.setdefault(int(timeline.pts[frame - timeline.first]), []).append(frame)
    return times
