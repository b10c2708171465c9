"""FFmpeg's decoder fed packet by packet, told before each whether anybody needs it."""

from __future__ import annotations

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

_INTRA = (PictureType.I, PictureType.SI)  # of H.264, where a point of recovery need not be a keyframe
_SKIPPING = ("h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video")


class Decoder:
    """One decoder thread that does not decode unneeded frames which nothing else refers to, and counts its complaints.

    Leaving those out changes no other frame: by the standards nothing is predicted from them.
    """

    def __init__(self, context: VideoCodecContext) -> None:
        self._context = context
        self._skips = context.name in _SKIPPING and not _layered(context)
        self._skipping = False
        self.errors = 0

    def feed(self, packet: Packet | None, needed: bool = True) -> list[VideoFrame]:
        """The frames that come out for a packet (None: all that are still inside); none, and an error, if it fails."""
        if self._skips and self._skipping == needed:
            self._skipping = not needed
            self._context.skip_frame = "NONREF" if self._skipping else "DEFAULT"
        try:
            return self._context.decode(packet)
        except (av.EOFError, av.BlockingIOError):
            return []
        except av.FFmpegError:
            self.errors += 1
            return []

    def can_begin(self, frame: VideoFrame) -> bool:
        """Whether decoding could rightly begin at a frame, whatever the container says: a keyframe by its own word."""
        return bool(frame.key_frame) or (self._context.name == "h264" and frame.pict_type in _INTRA)

    def reset(self) -> None:
        """Forget everything that was fed, to begin at another keyframe."""
        self._context.flush_buffers()


def _layered(context: VideoCodecContext) -> bool:
    """Whether frames that their own layer does not refer to may serve a higher one (HEVC temporal layers)."""
    if context.name != "hevc":
        return False
    header = context.extradata or b""
    return len(header) < 22 or header[0] != 1 or header[21] >> 3 & 7 > 1
