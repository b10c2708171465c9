"""Clips read with PyAV: only what is asked for is decoded, and only what is shown is converted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from av.video.frame import VideoFrame

from videonet.data.decoders.clips import Clips, Request
from videonet.data.decoders.counted import Counted
from videonet.data.decoders.decoder import Decoder
from videonet.data.decoders.error import VideoError
from videonet.data.decoders.film import Film, Section
from videonet.data.decoders.long import film_of
from videonet.data.decoders.passes import careful, quick
from videonet.data.decoders.projector import Projector
from videonet.data.decoders.screen import shape_of
from videonet.data.decoders.source import Source
from videonet.data.decoders.stream import Stream

_PATIENCE = 64  # packets without a frame, after which the first frame is not waited for


class PyavReader:
    """A video read with PyAV (see `reader.Reader`)."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.missing = 0
        self._source = source
        self._stream = Stream(source)
        try:
            self._decoder = Decoder(self._stream.video.codec_context)
            self.film: Film = film_of(self._stream, source.size)
            self._primed: tuple[Section, list[VideoFrame], int] | None = None
            self._shape: tuple[int, int] | None = None
            self._counted = None if self.film.exact else Counted(self._decoder, self.film)
            if not self.num_frames:
                raise VideoError(self.name, "no frames", "the video stream has no packet that shows one")
        except BaseException:
            self.close()
            raise

    @property
    def num_frames(self) -> int:
        return self._counted.num_frames if self._counted else self.film.num_frames

    @property
    def exact(self) -> bool:
        """Whether packets tell which frames they show."""
        return self._counted is None

    @property
    def times(self) -> np.ndarray:
        return self._counted.times if self._counted else self.film.times

    @property
    def fps(self) -> float:
        return self._counted.fps if self._counted else self.film.fps

    @property
    def errors(self) -> int:
        return self._decoder.errors + self.film.errors

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
            projector.finish()
        else:
            for section, frames in self.film.sections(clips.frames):
                self._decode(section, frames, projector)
        self.missing += clips.repeat(self.name)
        return clips.tensors

    def close(self) -> None:
        self._primed = None
        self._stream.close()

    def _decode(self, section: Section, frames: Sequence[int], projector: Projector) -> None:
        """Show some frames of a section; where decoding only what they need looks wrong, decode everything again."""
        primed, self._primed = self._primed, None
        ahead = primed[1:] if primed and primed[0] is section else None
        errors = self._decoder.errors
        if quick(self._decoder, section, frames, projector, ahead):
            return
        self._decoder.errors = errors
        projector.recall(frames)
        with Stream(self._source) as fresh:  # a decoder that has seen nothing of the damage yet
            decoder = Decoder(fresh.video.codec_context)
            careful(decoder, section, frames, projector)
        self._decoder.errors += decoder.errors

    def _prime(self) -> tuple[int, int]:
        """Decode up to the first frame for its size and turn, and keep what came for the clip that begins there."""
        section = self.film.opening()
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
