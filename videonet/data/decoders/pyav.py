"""Clips read with PyAV: only what is asked for is decoded, and only what is shown is converted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from av.video.frame import PictureType, VideoFrame

from videonet.data.decoders.clips import Clips, Request
from videonet.data.decoders.counted import Counted
from videonet.data.decoders.decoder import Decoder
from videonet.data.decoders.error import VideoError
from videonet.data.decoders.film import Film, Section
from videonet.data.decoders.long import film_of
from videonet.data.decoders.projector import Projector
from videonet.data.decoders.screen import shape_of
from videonet.data.decoders.source import Source
from videonet.data.decoders.stream import Stream
from videonet.data.timeline import Timeline

_INTRA = (PictureType.NONE, PictureType.I, PictureType.SI, PictureType.BI)
_PATIENCE = 64  # packets without a frame, after which the first frame is not waited for


class PyavReader:
    """A video read with PyAV (see `reader.Reader`)."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.missing = 0
        self._stream = Stream(source)
        try:
            self._decoder = Decoder(self._stream.video.codec_context)
            self._film: Film = film_of(self._stream, source.size)
            self._primed: tuple[Section, list[VideoFrame], int] | None = None
            self._shape: tuple[int, int] | None = None
            self._counted = None if self._film.exact else Counted(self._decoder, self._film)
            if not self.num_frames:
                raise VideoError(self.name, "no frames", "the video stream has no packet that shows one")
        except BaseException:
            self.close()
            raise

    @property
    def num_frames(self) -> int:
        return self._counted.num_frames if self._counted else self._film.num_frames

    @property
    def exact(self) -> bool:
        """Whether packets tell which frames they show."""
        return self._counted is None

    @property
    def times(self) -> np.ndarray:
        return self._counted.times if self._counted else self._film.times

    @property
    def fps(self) -> float:
        return self._counted.fps if self._counted else self._film.fps

    @property
    def errors(self) -> int:
        return self._decoder.errors + self._film.errors

    @property
    def shape(self) -> tuple[int, int]:
        if self._shape is None:
            self._shape = self._counted.shape if self._counted else self._prime()
        return self._shape

    def read_many(self, requests: Sequence[Request]) -> list[torch.Tensor]:
        clips = Clips(requests, self.shape)
        projector = Projector(clips, requests, self.shape)
        if self._counted:
            self._counted.show(clips.frames, projector.show)
        else:
            for section, frames in self._film.sections(clips.frames):
                if not self._quick(section, frames, projector):
                    clips.recall(frames)
                    self._careful(section, frames, projector)
        self.missing += clips.repeat(self.name)
        return clips.tensors

    def close(self) -> None:
        self._primed = None
        self._stream.close()

    def _prime(self) -> tuple[int, int]:
        """Decode up to the first frame for its size and turn, and keep what came for the clip that begins there."""
        section = self._film.opening()
        self._decoder.reset()
        for place, packet in enumerate(section.packets[:_PATIENCE]):
            errors = self._decoder.errors
            frames = self._decoder.feed(packet)
            if self._decoder.errors > errors:
                self._decoder.errors = errors
                break
            if frames:
                self._primed = (section, frames, place + 1)
                return shape_of(frames[0])
        context = self._stream.video.codec_context
        for frame in self._decoder.feed(None):
            return shape_of(frame)
        if not context.height or not context.width:
            raise VideoError(self.name, "decode error at frame 0", "no frame decodes, so the size is unknown")
        return context.height, context.width

    def _quick(self, section: Section, frames: Sequence[int], projector: Projector) -> bool:
        """Decode only what the frames need; False when anything looks wrong, and what was shown cannot be trusted."""
        timeline = section.timeline
        local = [frame - timeline.first for frame in frames]
        needed = {int(timeline.position[frame]) for frame in local}
        wanted = _by_time(timeline, frames)
        errors = self._decoder.errors
        for start, stop in timeline.ranges(local):
            if not self._stretch(section, (start, stop), needed, wanted, projector):
                self._decoder.errors = errors
                return False
        return not projector.clips.lacking.intersection(frames)

    def _stretch(
        self,
        section: Section,
        span: tuple[int, int],
        needed: set[int],
        wanted: dict[int, list[int]],
        projector: Projector,
    ) -> bool:
        """Decode a stretch from its keyframe and show the wanted frames; False at the first oddity."""
        start, stop = span
        key = section.timeline.time(start)
        starts = section.timeline.shows(start)  # whether the keyframe itself must come out
        errors = self._decoder.errors

        def take(frames: list[VideoFrame]) -> bool:
            nonlocal starts
            for frame in frames:
                if frame.pts is None or frame.pts < key:  # leans on the group before
                    continue
                if frame.is_corrupt or (frame.pts == key and frame.pict_type not in _INTRA):
                    return False
                starts = starts and frame.pts != key
                for index in wanted.get(frame.pts, ()):
                    projector.show(index, frame)
            return self._decoder.errors == errors

        ahead, at = self._begin(section, start)
        if not take(ahead):
            return False
        for place in range(at, stop + 1):
            frames = self._decoder.feed(section.packets[place], place in needed)
            if section.timeline.time(place) < key:
                self._decoder.errors = errors
            if not take(frames):
                return False
        return take(self._decoder.feed(None)) and not starts

    def _begin(self, section: Section, start: int) -> tuple[list[VideoFrame], int]:
        """Make the decoder ready for a keyframe: frames that came out already, and the packet to go on with."""
        primed, self._primed = self._primed, None
        if primed and start == 0 and primed[0] is section:
            return primed[1:]
        self._decoder.reset()
        return [], start

    def _careful(self, section: Section, frames: Sequence[int], projector: Projector) -> None:
        """Decode every packet from the first on, as a player would, and show what comes of the frames."""
        timeline = section.timeline
        wanted = _by_time(timeline, frames)
        last = max(int(timeline.position[frame - timeline.first]) for frame in frames)
        self._primed = None
        self._decoder.reset()
        for packet in (*section.packets[: last + 1], None):
            for frame in self._decoder.feed(packet):
                self._decoder.errors += frame.is_corrupt
                for index in wanted.get(frame.pts, ()):
                    projector.show(index, frame)


def _by_time(timeline: Timeline, frames: Sequence[int]) -> dict[int, list[int]]:
    """Frames by presentation time."""
    times: dict[int, list[int]] = {}
    for frame in frames:
        times.setdefault(int(timeline.pts[frame - timeline.first]), []).append(frame)
    return times
