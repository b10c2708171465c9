"""Clips read with decord, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import decord
import numpy as np
import torch

from videonet.data.decoders.film import Film
from videonet.data.decoders.foreign import ForeignReader
from videonet.data.decoders.source import Source

_CONTAINERS = ("mp4", "matroska", "avi")
_IDR = 5  # network abstraction layer unit of a frame that refers to nothing before it (H.264, table 7-1)


class DecordReader(ForeignReader):
    """A video read with decord (see `foreign.ForeignReader`).

    decord finds frames by a seek table of its own, which is right where every keyframe is a clean start.
    """

    library = "decord"

    def open(self, source: Source) -> decord.VideoReader:
        decord.logging.set_level(decord.logging.QUIET)
        video = source.path or source.address or BytesIO(source.content())
        return decord.VideoReader(video, ctx=decord.cpu(0), num_threads=1)

    def count(self) -> int:
        return len(self._decoder)

    def fetch(self, indices: list[int]) -> tuple[torch.Tensor, np.ndarray]:
        frames = torch.from_numpy(self._decoder.get_batch(indices).asnumpy())
        seconds = self._decoder.get_frame_timestamp([0, *indices])[:, 0]  # on a clock of decord's own
        return frames, seconds[1:] - seconds[0] + self.times[0]

    def doubt(self, film: Film) -> str:
        kind, codec = film.stream.container.format.name, film.stream.video.codec_context
        if not any(name in kind for name in _CONTAINERS):
            return f"it loses count in containers of kind {kind}"
        section = film.opening()
        if not (np.diff(section.timeline.position) < 0).any():
            return ""
        if codec.name != "h264" or not codec.extradata or codec.extradata[0] != 1:
            return f"it loses count of {codec.name} with frames out of order"
        length = (codec.extradata[4] & 3) + 1
        keys = (packet for packet in section.packets if packet.is_keyframe)
        clean = all(_IDR in _units(bytes(packet), length) for packet in keys)
        return "" if clean else "it loses count where groups of pictures lean on each other"


def _units(data: bytes, length: int) -> Iterator[int]:
    """Kinds of the units of a packet whose sizes stand before them in `length` bytes."""
    at = 0
    while at + length < len(data):
        yield data[at + length] & 31
        at += length + int.from_bytes(data[at : at + length], "big")
