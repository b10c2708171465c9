"""Damaged files: never a crash, a hang, or another frame than the one asked for without a word."""

import faulthandler
import io
import os

import av
import numpy as np
import pytest

from tests.data.movies import MOVIES
from videonet.data.video import Video, VideoError
from videonet.data.window import Window

os.environ.setdefault("SVT_LOG", "0")
SECONDS = 60  # for one file, after which it hangs
MOST = 2_000_000  # pixels: a damaged header may ask for frames that take a minute to compare
# Codecs that leave what they cannot decode of a frame as memory was, and say nothing: no frame is to be told by that.
PATCHED = ("lossless.mkv", "mjpeg.avi", "mjpeg.mov", "studio.mov")
RESERVED = 3  # a kind of colours that swscale does not convert
Truth = list[tuple[float | None, np.ndarray | None]]


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("movies")
    return {movie.name: movie.write(folder).read_bytes() for movie in MOVIES}


def damaged(rng: np.random.Generator, data: bytes) -> bytes:
    """Bytes with some bits flipped, cut short, partly overwritten with noise or zeros, partly lost, or noise alone."""
    file, size = bytearray(data), len(data)
    start = int(rng.integers(size))
    match rng.integers(7):
        case 0 | 1:
            for place in rng.integers(size, size=rng.integers(1, 30)):
                file[place] ^= 1 << rng.integers(8)
        case 2:
            del file[max(start, 1) :]
        case 3:
            length = min(int(rng.integers(1, 200)), size - start)
            file[start : start + length] = rng.bytes(length)
        case 4:
            length = min(int(rng.integers(1, size // 4 + 2)), size - start)
            file[start : start + length] = bytes(length)
        case 5:
            del file[start : start + int(rng.integers(1, size // 8 + 2))]
        case 6:
            head = int(rng.choice([0, 4, 64, 200]))
            file = bytearray(data[:head] + rng.bytes(int(rng.integers(1, 3000))))
    return bytes(file)


def player(data: bytes, hold: bool) -> Truth:
    """Seconds and pixels of what PyAV decodes in order. `hold` keeps each frame's memory from being used again."""
    frames, held = [], []
    with av.open(io.BytesIO(data), metadata_errors="ignore", buffer_size=1 << 18) as container:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            return frames
        context, packets = stream.codec_context, container.demux(stream)
        context.thread_count, context.options = 1, {"max_pixels": str(1 << 26)}
        last = False
        while not last:
            try:
                packet = next(packets)
                last = not packet.size
            except (StopIteration, av.FFmpegError, IndexError):
                packet, last = None, True
            try:
                decoded = context.decode(packet)
            except av.FFmpegError:
                continue
            for frame in decoded:
                small = frame.width * frame.height <= MOST and frame.colorspace != RESERVED
                base, ticks = stream.time_base, frame.pts
                seconds = None if ticks is None else ticks * base.numerator / base.denominator
                frames.append((seconds, frame.to_ndarray(format="rgb24") if small else None))
                held.append(frame if hold else None)
    return frames


def truth_of(data: bytes) -> Truth:
    """What a player shows; None in place of pixels that depend on what memory held before (parts never decoded)."""
    try:
        once, again = player(data, False), player(data, True)
    except (av.FFmpegError, ValueError, OSError, OverflowError):
        return []
    return [
        (seconds, pixels if pixels is not None and other is not None and np.array_equal(pixels, other) else None)
        for (seconds, pixels), (_, other) in zip(once, again)
    ]


def distance(one: np.ndarray, other: np.ndarray | None) -> float:
    return float(np.abs(one.astype(float) - other).mean()) if other is not None and one.shape == other.shape else np.inf


def strays(clip: np.ndarray, indices: np.ndarray, video: Video, truth: Truth) -> int:
    """How many frames of a clip show the picture of another time: clearly nearer to it than to their own."""
    exact = video._reader.exact
    count = 0
    for pixels, index in zip(clip, indices):
        own, others = [], []
        for place, (seconds, other) in enumerate(truth):
            mine = seconds == video.times[index] if exact else place == index
            (own if mine else others).append(other)
        unsure = any(other is None or other.shape != pixels.shape for other in own)
        if unsure or any(np.array_equal(pixels, other) for other in own):
            continue
        nearest = min((distance(pixels, other) for other in others), default=np.inf)
        count += 2 * nearest < (min(distance(pixels, other) for other in own) if own else 2)
    return count


def examine(data: bytes, rng: np.random.Generator, patched: bool) -> str:
    """Read damaged bytes in several ways; how it ended."""
    truth = truth_of(data)
    try:
        with Video(data) as video:
            total = video.num_frames
            if video.height * video.width > MOST:
                video.read(rng.integers(0, total, 2), Window(0, 0, video.height, video.width, 64, 64))
                return "large"
            for indices in (np.arange(min(total, 200)), rng.integers(0, total, 4), rng.integers(0, total, 1)):
                before = video.missing
                clip = video.read(indices).numpy()
                assert patched or strays(clip, indices, video, truth) <= video.missing - before
                assert clip.shape == (len(indices), video.height, video.width, 3)
            window = Window(0, 0, video.height, video.width, 16, 16)
            assert video.read([0], window).shape == (1, 16, 16, 3)
            return "missing" if video.missing else "read"
    except VideoError as error:
        assert error.reason in ("unreadable", "no video stream", "no frames") or error.reason.startswith("decode error")
        return error.reason.split(" at ")[0]


def fuzz(originals: dict[str, bytes], numbers: range) -> dict[str, int]:
    ends: dict[str, int] = {}
    names = sorted(originals)
    for number in numbers:
        rng = np.random.default_rng([number, 6])
        name = names[number % len(names)]
        data = damaged(rng, originals[name])
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            end = examine(data, rng, name in PATCHED)
        except Exception as error:
            raise AssertionError(f"file {number} from {name}: {type(error).__name__}: {error}") from error
        finally:
            faulthandler.cancel_dump_traceback_later()
        ends[end] = ends.get(end, 0) + 1
    return ends


def test_damaged_files(originals):
    ends = fuzz(originals, range(100))
    assert ends["read"] > 20
    assert ends["missing"] > 3
    assert ends["unreadable"] > 5


@pytest.mark.nightly
def test_many_damaged_files(originals):
    assert sum(fuzz(originals, range(100, 2100)).values()) == 2000
