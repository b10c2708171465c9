"""Video files made with PyAV that show their frame numbers, in the codecs and containers that people have."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10  # of the painted number: blocks, 5 in a row, over the upper half of the frame
IDENTITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True)
class Movie:
    """How to make a video file: `codec` in `name`, `frames` frames shown at `ticks(i)` of 1 / 600 s."""

    name: str
    codec: str = "libx264"
    size: tuple[int, int] = (64, 96)
    frames: int = 40
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    ticks: Callable[[int], int] = lambda number: 24 * number
    rate: int = 25
    colorspace: int = 2

    @property
    def even(self) -> bool:
        """Whether the container or codec knows no times but multiples of the frame's duration."""
        return self.name.endswith(".avi") or self.codec.startswith("mpeg")

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=self.container) as container:
            stream = container.add_stream(self.codec, rate=self.rate, options=self.options)
            stream.height, stream.width, stream.pix_fmt = *self.size, self.pix_fmt
            stream.codec_context.colorspace = self.colorspace
            stream.codec_context.time_base = Fraction(1, self.rate if self.even else 600)
            for number in range(self.frames):
                frame = av.VideoFrame.from_ndarray(painted(number, self.size), format="rgb24")
                frame = frame.reformat(format=self.pix_fmt)
                frame.pts, frame.time_base = self.ticks(number), Fraction(1, 600)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path


def painted(number: int, size: tuple[int, int]) -> np.ndarray:
    """A frame that shows a number in black and white blocks over a picture that moves. uint8 (H, W, 3)"""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    picture = 128 + 60 * np.sin((rows + 3 * number) / 7) * np.cos((columns - 2 * number) / 9)
    frame = np.repeat(picture[..., None], 3, 2)
    frame[..., 1] = frame[..., 1] * 0.7 + rows * 40 / height
    for bit in range(BITS):
        top, left = bit // 5 * (height // 4), bit % 5 * (width // 5)
        frame[top : top + height // 4, left : left + width // 5] = 235 if number >> bit & 1 else 20
    return frame.round().astype(np.uint8)


def number_of(frame: np.ndarray) -> int:
    """The number that a frame shows, at any size."""
    height, width = frame.shape[0] / 4, frame.shape[1] / 5
    number = 0
    for bit in range(BITS):
        top, left = bit // 5 * height, bit % 5 * width
        block = frame[int(top + height / 3) : int(top + height) - 1, int(left + width / 3) : int(left + width) - 1]
        number |= int(block.mean() > 128) << bit
    return number


def numbers_of(clip: Sequence[np.ndarray]) -> list[int]:
    return [number_of(np.asarray(frame)) for frame in clip]


def sequential(path: Path | str, display: bool = True) -> list[np.ndarray]:
    """The truth: every frame that PyAV decodes from first packet to last, as displayed, in the order they come."""
    return [pixels for _, pixels in timed(path, display)]


def timed(path: Path | str, display: bool = True) -> list[tuple[int | None, np.ndarray]]:
    """The same with presentation times; packets that do not decode are passed over, as a player does."""
    frames = []
    with av.open(path if hasattr(path, "read") else str(path), metadata_errors="ignore") as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_count = 1
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                decoded = packet.decode()
            except StopIteration:
                return frames
            except av.FFmpegError:
                continue
            for frame in decoded:
                turns = -frame.rotation // 90 % 4 if display else 0
                frames.append((frame.pts, np.rot90(frame.to_ndarray(format="rgb24"), -turns)))


def turned(data: bytes, matrix: Sequence[int]) -> bytes:
    """An MP4 file whose display matrix is (a, b, c, d), each -1, 0 or 1."""
    a, b, c, d = (0x10000 * value for value in matrix)
    place = data.index(IDENTITY, data.index(b"tkhd"))
    return data[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000) + data[place + len(IDENTITY) :]


def trimmed(path: Path, out: Path, ticks: int) -> Path:
    """A copy of an MP4 file whose edit list begins `ticks` of its stream later; what is before it stays inside."""
    with av.open(str(path)) as source, av.open(str(out), "w", options={"avoid_negative_ts": "disabled"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, stream
                target.mux(packet)
    return out


def growing(path: Path) -> Path:
    """An MPEG transport stream whose picture changes size halfway: 20 frames of 64 x 96, then 20 of 128 x 192."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for begin, size in ((0, (64, 96)), (20, (128, 192))):
            encoder = av.CodecContext.create("libx264", "w")
            encoder.height, encoder.width, encoder.pix_fmt = *size, "yuv420p"
            encoder.time_base, encoder.options = Fraction(1, 25), {"preset": "ultrafast"}
            packets = []
            for number in range(begin, begin + 20):
                frame = av.VideoFrame.from_ndarray(painted(number, size), format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                packets += encoder.encode(frame)
            for packet in packets + encoder.encode():
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                container.mux(packet)
    return path


X264 = {"preset": "veryfast", "g": "12", "bf": "3", "x264-params": "b-adapt=0"}
X265 = {"preset": "ultrafast", "x265-params": "keyint=12:bframes=3:log-level=none"}
MOVIES = [
    Movie("b_frames.mp4", options=X264),
    Movie("pyramid.mkv", options={**X264, "x264-params": "b-adapt=0:b-pyramid=normal:ref=4"}),
    Movie("open_gop.mp4", options={**X264, "x264-params": "b-adapt=0:open-gop=1:b-pyramid=normal:scenecut=0"}),
    Movie("open_gop.ts", options={**X264, "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}),
    Movie("no_b_frames.mp4", options={"preset": "veryfast", "g": "12", "bf": "0"}),
    Movie("one_key.mp4", options={"preset": "veryfast", "g": "250"}),
    Movie("intra_refresh.mp4", options={**X264, "x264-params": "b-adapt=0:intra-refresh=1"}),
    Movie("interlaced.mp4", options={**X264, "x264-params": "b-adapt=0:tff=1"}),
    Movie("fragments.mp4", options=X264, container={"movflags": "frag_keyframe+empty_moov"}),
    Movie("b_frames.flv", options=X264),
    Movie("b_frames.avi", options=X264),
    Movie("transport.ts", options=X264),
    Movie("late_start.mp4", options=X264, ticks=lambda number: 24 * number + 6000),
    Movie("late_start.mkv", options=X264, ticks=lambda number: 24 * number + 6000),
    Movie("variable.mp4", options=X264, ticks=lambda number: 24 * number + number % 3 * 7 + number // 10 * 500),
    Movie("variable.mkv", options=X264, ticks=lambda number: 24 * number + number % 3 * 7 + number // 10 * 500),
    Movie("ten_bit.mp4", options=X264, pix_fmt="yuv420p10le"),
    Movie("odd_444.mp4", options=X264, pix_fmt="yuv444p", size=(65, 97)),
    Movie("four_two_two.mp4", options=X264, pix_fmt="yuv422p"),
    Movie("full_range.mp4", options=X264, pix_fmt="yuvj420p"),
    Movie("one_frame.mp4", options=X264, frames=1),
    Movie("hevc.mp4", codec="libx265", options=X265),
    Movie("hevc.mkv", codec="libx265", options=X265, pix_fmt="yuv420p10le"),
    Movie("vp9.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "12"}),
    Movie("vp9_two_pass.webm", codec="libvpx-vp9", options={"cpu-used": "5", "g": "20", "auto-alt-ref": "1"}),
    Movie("vp8.webm", codec="libvpx", options={"cpu-used": "8", "g": "20"}),
    Movie("vp8_hidden.webm", codec="libvpx", options={"g": "30", "auto-alt-ref": "1", "lag-in-frames": "16"}),
    Movie("av1.mp4", codec="libsvtav1", options={"preset": "12", "g": "12"}),
    Movie("av1.mkv", codec="libsvtav1", options={"preset": "12", "g": "12"}),
    Movie("mpeg4.mp4", codec="mpeg4", options={"g": "12", "bf": "2"}),
    Movie("mpeg4.avi", codec="mpeg4", options={"g": "12", "bf": "0"}),
    Movie("mpeg4_b_frames.avi", codec="mpeg4", options={"g": "12", "bf": "2"}),
    Movie("mpeg2.mpg", codec="mpeg2video", options={"g": "12", "bf": "2"}),
    Movie("mpeg2.ts", codec="mpeg2video", options={"g": "12", "bf": "2"}),
    Movie("mjpeg.avi", codec="mjpeg", pix_fmt="yuvj420p"),
    Movie("mjpeg.mov", codec="mjpeg", pix_fmt="yuvj422p"),
    Movie("moving.gif", codec="gif", pix_fmt="rgb8", ticks=lambda number: 24 * number + number % 4 * 6),
    Movie("lossless.mkv", codec="ffv1"),
    Movie("studio.mov", codec="prores", pix_fmt="yuv422p10le"),
]
