"""Playback and spans: each frame once and as `Video` reads it; spans sample like videos of their length."""

import tracemalloc

import numpy as np
import pytest
import torch

from tests.data.movies import MOVIES, Movie, number_of
from videonet.data.decoders.error import VideoError
from videonet.data.decoders.screen import Screen
from videonet.data.playback import Newest, Playback
from videonet.data.sampling import clip_views
from videonet.data.spans import batched, spans
from videonet.data.transforms import whole
from videonet.data.video import Video

X264 = {"preset": "ultrafast", "g": "12", "bf": "2"}


def sample(views, frames=4, rate=2):
    return lambda total, fps: clip_views(total, fps, frames, rate, views=views, spans="to_end", target_fps=25)


def gather(path, views=1, size=0, **times):
    with Playback(path) as playback:
        screen = Screen(whole(*playback.shape, size), playback.shape)
        yield from spans(playback, sample(views), screen.show, **times)


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    return Movie("steady.mp4", options=X264, frames=100).write(tmp_path_factory.mktemp("movies"))


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.ts", "late_start.mkv", "vp9.webm", "interlaced.mp4"])
def test_playback_shows_what_video_reads(tmp_path, name):
    path = next(movie for movie in MOVIES if movie.name == name).write(tmp_path)
    with Video(path) as video, Playback(path) as playback:
        screen = Screen(None, playback.shape)
        shown = [(seconds, torch.from_numpy(screen.show(picture).copy())) for _, seconds, picture in playback]
        assert torch.equal(torch.stack([pixels for _, pixels in shown]), video.read(range(video.num_frames)))
        np.testing.assert_allclose([seconds for seconds, _ in shown], video.times - video.times[0], atol=1e-9)
        assert playback.fps == pytest.approx(video.fps) and not playback.live


def test_one_span_over_a_video_is_the_video(movie):
    (span,) = gather(movie, views=3, window=4.0, stride=4.0, size=48)
    with Video(movie) as video:
        indices = sample(3)(video.num_frames, video.fps)
        assert span.ids.tolist() == indices.tolist()
        clips = [video.read(row, whole(video.height, video.width, 48)) for row in indices]
    assert torch.equal(span.clips(), torch.stack(clips))
    assert (span.start, span.end) == (0.0, pytest.approx(4.0))


def test_every_span_is_a_video_of_its_length(movie):
    found = list(gather(movie, views=2, window=1.0, stride=0.4))
    assert [span.start for span in found] == pytest.approx([0.4 * k for k in range(len(found))])
    for span in found:
        assert (span.ids == np.minimum(sample(2)(25, 25.0) + round(span.start * 25), 99)).all()
        assert [[number_of(frame.numpy()) for frame in clip] for clip in span.clips()] == span.ids.tolist()


@pytest.mark.parametrize(
    ("window", "stride", "ends"),
    [
        (1.0, 1.0, [1, 2, 3, 4]),
        (1.5, 1.5, [1.5, 3, 4]),  # 1.0 of 1.5 seconds are inside
        (1.9, 1.9, [1.9, 3.8]),  # 0.2 of 1.9 seconds are not worth a span
        (3.0, 0.75, [3, 3.75, 4]),  # one span runs past the end, not two
        (0.5, 2.0, [0.5, 2.5]),
        (9.0, 1.0, [4]),  # longer than the video
    ],
)
def test_the_end_of_a_video(movie, window, stride, ends):
    found = list(gather(movie, window=window, stride=stride))
    assert [span.end for span in found] == pytest.approx(ends)
    assert all(span.ids.max() <= 99 for span in found)


def test_variable_rates_take_the_frame_nearest_in_time(tmp_path):
    times = [0, 1, 2, 3, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 100, 101]
    path = Movie("gaps.mkv", options=X264, frames=20, ticks=lambda number: 24 * times[number]).write(tmp_path)
    (span,) = gather(path, window=4.08, stride=9)
    start = (102 - 8) / 2  # the middle clip starts here, in frames of 1 / 25 s
    wanted = np.floor(np.linspace(start, start + 7, 4))
    assert [times[i] for i in span.ids[0]] == [min(times, key=lambda t, w=w: abs(t - w)) for w in wanted]
    skipped = list(gather(path, window=0.2, stride=0.2))
    assert [span.number for span in skipped] == [0, 10, 11, 12], "spans without a frame are not made up"


def test_memory_depends_on_the_span_alone(tmp_path):
    def peak(frames):
        path = Movie(f"{frames}.mp4", options=X264, frames=frames).write(tmp_path)
        tracemalloc.start()
        count = sum(1 for _ in gather(path, window=0.4, stride=0.4))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return count, peak

    (few, low), (many, high) = peak(100), peak(1000)
    assert many == 10 * few and high < 1.2 * low + 100_000


def test_batches_keep_the_order():
    assert list(batched(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]


def test_the_newest_item_is_taken_and_the_others_are_counted():
    def items():
        yield from range(5)
        raise ValueError("it broke off")

    newest = Newest(items())
    with pytest.raises(ValueError, match="broke off"):
        for item in newest:
            last = item
    assert last == 4 and newest.dropped <= 4


def test_errors_name_what_cannot_be_played(tmp_path):
    with pytest.raises(VideoError, match="missing"):
        Playback(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match="folder of images has no times"):
        Playback(tmp_path)
    with pytest.raises(VideoError, match="camera"):
        Playback("camera:7")
