"""The right frames, from every kind of file and backend, in any order; honest errors; no work that nobody asked for."""

import io
import mmap
import os
import pickle
import tarfile
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.movies import MOVIES, X264, Movie, growing, number_of, numbers_of, painted, sequential, trimmed, turned
from videonet.data.decoders import backends, long, memory
from videonet.data.decoders.decoder import Decoder
from videonet.data.decoders.screen import Screen
from videonet.data.decoders.source import Section, locate
from videonet.data.decoders.stream import Stream
from videonet.data.transforms import apply_window
from videonet.data.video import Video, VideoError, available_backends, decode, diagnose
from videonet.data.window import Window

os.environ.setdefault("SVT_LOG", "0")
NAMES = [movie.name for movie in MOVIES]
TURNS = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]
LONG_NAMES = [name for name in NAMES if name not in ("variable.mkv", "moving.gif")]  # counted by time there


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Callable[[str], tuple[Path, np.ndarray]]:
    """Path and true frames of a movie by name, made when first asked for."""
    folder, made = tmp_path_factory.mktemp("movies"), {}

    def get(name: str) -> tuple[Path, np.ndarray]:
        if name not in made:
            path = next(movie for movie in MOVIES if movie.name == name).write(folder)
            made[name] = path, np.stack(sequential(path))
        return made[name]

    return get


def fed(monkeypatch) -> list[bool]:
    """Records for each packet that is decoded whether it was needed."""
    packets: list[bool] = []
    feed = Decoder.feed

    def count(self, packet, needed=True):
        packets.extend([needed] if packet is not None else [])
        return feed(self, packet, needed)

    monkeypatch.setattr(Decoder, "feed", count)
    return packets


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_is_the_one_asked_for(library, name):
    path, truth = library(name)
    rng = np.random.default_rng(len(name))
    with Video(path) as video:
        assert video.num_frames == len(truth) == len(video.times)
        assert (video.height, video.width) == truth.shape[1:3]
        assert (np.diff(video.times) > 0).all()
        every = video.read(range(len(truth))).numpy()
        assert np.array_equal(every, truth)
        for _ in range(8):
            indices = rng.integers(0, len(truth), rng.integers(1, 7))
            assert np.array_equal(video.read(indices).numpy(), truth[indices])
        assert video.missing == video.errors == 0
    assert numbers_of(every) == list(range(len(truth)))
    shade = 0 if name.endswith("gif") else np.abs(every[-1].astype(float) - painted(len(truth) - 1, truth.shape[1:3]))
    assert np.mean(shade) < 8


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_video_gives_the_same_frame(library, name):
    path, truth = library(name)
    for index in {0, len(truth) // 3, 2 * len(truth) // 3, len(truth) - 1}:
        assert np.array_equal(decode(path, [index])[0].numpy(), truth[index])
    assert np.array_equal(decode(path, [len(truth) - 1, 0, 0])[[0, 2]].numpy(), truth[[-1, 0]])


@pytest.mark.parametrize("name", LONG_NAMES)
def test_long_files_give_the_same_frames(library, name, monkeypatch):
    path, truth = library(name)
    monkeypatch.setattr(long, "LONG", 0)
    monkeypatch.setattr(long, "_APART", 10)
    rng = np.random.default_rng(len(name))
    with Video(path) as video:
        assert len(video.times) == video.num_frames == len(truth)
        for indices in (np.arange(len(truth)), *(rng.integers(0, len(truth), 3) for _ in range(4))):
            assert np.array_equal(video.read(indices).numpy(), truth[indices])


def test_long_files_are_read_in_parts(tmp_path, monkeypatch):
    path = Movie("long.mkv", options={"preset": "ultrafast", "g": "10"}, frames=400, size=(32, 48)).write(tmp_path)
    monkeypatch.setattr(long, "LONG", 0)
    packets = fed(monkeypatch)
    clip = decode(path, [5, 390])
    assert numbers_of(clip.numpy()) == [5, 390]
    assert len(packets) < 40


def test_times_of_varying_and_late_videos(library):
    with Video(library("variable.mp4")[0]) as video:
        ticks = [24 * number + number % 3 * 7 + number // 10 * 500 for number in range(40)]
        assert np.allclose(video.times, np.array(ticks) / 600, atol=1e-3)
    with Video(library("late_start.mp4")[0]) as video:
        assert video.times[0] == 10
        assert video.fps == 25
        assert video.duration == pytest.approx(1.6)


@pytest.mark.parametrize("backend", ["torchcodec", "decord"])
@pytest.mark.parametrize("name", NAMES)
def test_other_backends_are_right_or_say_that_they_are_not(library, name, backend):
    if not available_backends()[backend][0].isdigit():
        pytest.skip(f"{backend} does not work here")
    path, truth = library(name)
    indices = np.random.default_rng(0).integers(0, len(truth), 6)
    try:
        with Video(path, backend) as video:
            assert video.num_frames == len(truth)
            clip = video.read(indices)
            window = Window(4, 6, 40, 60, 20, 30)
            assert torch.equal(video.read(indices, window), apply_window(clip, window))
    except VideoError as error:
        assert error.reason in ("unreadable", "wrong frames")
        assert backend in str(error)
        return
    assert numbers_of(clip.numpy()) == indices.tolist()
    assert np.abs(clip.numpy().astype(float) - truth[indices]).mean() < 8


@pytest.mark.parametrize("ticks", [512, 3072])
def test_edit_lists(library, tmp_path, ticks, monkeypatch):
    path = trimmed(library("b_frames.mp4")[0], tmp_path / "trimmed.mp4", ticks)
    truth = sequential(path)
    assert 30 < len(truth) < 40
    for size in (long.LONG, 0):
        monkeypatch.setattr(long, "LONG", size)
        with Video(path) as video:
            assert np.array_equal(video.read(range(video.num_frames)).numpy(), truth)


@pytest.mark.parametrize("matrix", TURNS)
def test_turned_and_mirrored_videos(library, tmp_path, matrix):
    path, truth = library("b_frames.mp4")
    (tmp_path / "turned.mp4").write_bytes(turned(path.read_bytes(), matrix))
    a, b, c, d = matrix
    rows, columns = np.mgrid[: truth.shape[1], : truth.shape[2]]
    across, down = a * columns + c * rows, b * columns + d * rows
    across, down = across - across.min(), down - down.min()
    expect = np.empty((down.max() + 1, across.max() + 1, 3), np.uint8)
    expect[down, across] = truth[7]
    with Video(tmp_path / "turned.mp4") as video:
        assert (video.height, video.width) == expect.shape[:2]
        assert np.array_equal(video.read([7])[0].numpy(), expect)
        window = Window(8, 20, 40, 30, 40, 30)
        part = expect[8:48, 20:50].astype(float)
        assert np.abs(video.read([7], window)[0].numpy() - part).mean() < 3


def test_a_stream_that_changes_size_shows_the_same_picture(tmp_path):
    path = growing(tmp_path / "growing.ts")
    with Video(path) as video:
        assert (video.height, video.width) == (64, 96)
        clip = video.read(range(40)).numpy()
        assert numbers_of(clip) == list(range(40))
        parts = video.read(range(40), Window(0, 48, 64, 48, 32, 24)).numpy()
    large = clip[25].astype(float).reshape(32, 2, 48, 2, 3).mean((1, 3))[:, 24:]
    assert np.abs(large - parts[25]).mean() < 6


@pytest.mark.parametrize("name", ["b_frames.mp4", "ten_bit.mp4", "odd_444.mp4", "full_range.mp4", "moving.gif"])
def test_windows_show_what_cropping_and_scaling_whole_frames_shows(library, name):
    path, truth = library(name)
    frames = torch.from_numpy(truth[[3, 30]])
    with Video(path) as video:
        for window in (
            Window(0, 0, 64, 96, 64, 96),
            Window(8, 16, 40, 60, 40, 60),
            Window(7, 13, 40, 60, 40, 60),
            Window(0, 0, 64, 96, 24, 36),
            Window(10, 20, 33, 51, 70, 90),
            Window(63, 95, 1, 1, 3, 5),
        ):
            clip = video.read([3, 30], window)
            assert clip.shape == (2, window.out_h, window.out_w, 3)
            assert clip.dtype == torch.uint8
            error = (clip.float() - apply_window(frames, window).float()).abs().mean()
            assert error < (12 if name == "ten_bit.mp4" else 5), (window, error)


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 8, 8, 3), (32, 256, 256, 3), (11, 1000, 1111, 3)])
def test_memory_for_clips_is_like_any_other(shape):
    first, second = memory.empty(shape), memory.empty(shape)
    assert first.shape == shape
    assert first.dtype == torch.uint8
    assert first.is_contiguous()
    first.fill_(3)
    second.fill_(5)
    assert torch.equal(first, torch.full(shape, 3, dtype=torch.uint8))
    assert pickle.loads(pickle.dumps(second)).shape == shape


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system has no huge pages")
def test_large_clips_lie_where_others_lay_that_nobody_has_any_more():
    shape = (11, 1000, 1111, 3)
    first, second = memory.empty(shape).fill_(1), memory.empty(shape).fill_(2)
    place = first.data_ptr()
    part = first[3:]
    del first
    assert memory.empty(shape).data_ptr() not in (place, second.data_ptr())
    del part
    third = memory.empty(shape)
    assert third.data_ptr() == place
    third.fill_(3)
    assert second.min() == second.max() == 2


def test_colours_of_a_kind_that_there_is_not(tmp_path):
    plain = Movie("plain.mp4", options=X264, frames=6).write(tmp_path)
    odd = Movie("odd.mp4", options=X264, frames=6, colorspace=3).write(tmp_path)
    for window in (None, Window(8, 8, 32, 32, 20, 20)):
        assert torch.equal(decode(odd, [1, 5], window), decode(plain, [1, 5], window))


def test_colours_and_ranges(tmp_path):
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    for pix_fmt, colorspace in (("yuv420p", 5), ("yuv420p", 1), ("yuvj420p", 5), ("yuv444p", 1)):
        path = tmp_path / f"{pix_fmt}_{colorspace}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"qp": "1"})
            stream.height, stream.width, stream.pix_fmt = 32, 32, pix_fmt
            stream.codec_context.colorspace = colorspace
            for shade in (red, np.full_like(red, 255), np.zeros_like(red)):
                frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
                container.mux(stream.encode(frame.reformat(format=pix_fmt, dst_colorspace=colorspace)))
            container.mux(stream.encode())
        for window in (None, Window(3, 3, 20, 20, 10, 10)):
            means = decode(path, [0, 1, 2], window).float().mean((1, 2))
            expect = torch.tensor([[255.0, 0, 0], [255, 255, 255], [0, 0, 0]])
            assert (means - expect).abs().max() < 6, (path.name, window, means)


def test_several_clips_from_one_decode(library, monkeypatch):
    path, truth = library("b_frames.mp4")
    left, right = Window(0, 0, 64, 64, 32, 32), Window(0, 32, 64, 64, 32, 32)
    requests = [([3, 3, 9, 20], left), ([20, 9, 5], left), ([3, 9], right), ([9], None), ([], None), ([], left)]
    with Video(path) as video:
        alone = [video.read(*request) for request in requests]
    shows, show = [], Screen.show
    monkeypatch.setattr(Screen, "show", lambda self, frame: shows.append(frame.pts) or show(self, frame))
    packets = fed(monkeypatch)
    with Video(path) as video:
        clips = video.read_many(requests)
    assert all(torch.equal(clip, expect) for clip, expect in zip(clips, alone))
    assert len(shows) == 4 + 2 + 1  # each frame once in each window
    assert len(packets) <= 24  # each packet once
    assert clips[4].shape == (0, 64, 96, 3)
    assert clips[5].shape == (0, 32, 32, 3)
    assert np.array_equal(clips[3][0].numpy(), truth[9])


def test_only_what_a_clip_needs_is_decoded(library, monkeypatch):
    path, truth = library("b_frames.mp4")
    packets = fed(monkeypatch)
    with Video(path) as video:
        video.read([38])
    assert len(packets) <= 12 + 5  # its group of pictures, and the first frame for the size
    packets.clear()
    outside = []
    monkeypatch.setattr(Screen, "show", lambda self, frame: outside.append(frame) or np.zeros((64, 96, 3), np.uint8))
    with Video(path) as video:
        video.read([20, 20, 20])
    assert len(outside) == 1


def test_unneeded_frames_that_nothing_refers_to_are_skipped(library):
    with av.open(str(library("b_frames.mp4")[0])) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        decoder = Decoder(container.streams.video[0].codec_context)
        came = sum(len(decoder.feed(packet, needed=False)) for packet in packets) + len(decoder.feed(None))
        assert 10 <= came < 30
        decoder.reset()
        assert sum(len(decoder.feed(packet)) for packet in packets) + len(decoder.feed(None)) == 40


@pytest.mark.skipif(not hasattr(av.stream.Stream, "discard"), reason="this PyAV cannot switch streams off")
def test_one_thread_decodes_and_other_streams_are_off(shared):
    path = shared / "data" / "videos" / "nasa_13013.mp4"
    with Stream(locate(path)) as stream:
        assert stream.video.codec_context.thread_count == 1
        streams = stream.container.streams
        assert stream.video.height == max(other.height for other in streams.video)
        others = [packet for packet in stream.container.demux() if packet.stream.index != stream.video.index]
        assert len(others) < 12  # those read for probing, and the one that ends each stream


def test_a_wrong_keyframe_flag_does_not_give_wrong_frames(library, tmp_path):
    path, truth = library("mpeg4.mp4")
    data = bytearray(path.read_bytes())
    place = data.index(b"stss") + 12
    keys = np.frombuffer(bytes(data[place : place + 8]), ">u4")
    assert keys[0] == 1
    assert keys[1] > 9
    data[place + 4 : place + 8] = np.array([8], ">u4").tobytes()
    with Video(bytes(data)) as video:
        for index in (7, 8, 12, 20, 39):
            assert np.array_equal(video.read([index])[0].numpy(), truth[index])


def cut(folder: Path, share: float) -> Path:
    """A file whose index is at its front and whose end is gone."""
    path = Movie("cut.mp4", options=X264, container={"movflags": "faststart"}).write(folder)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def test_what_a_cut_file_lacks_is_repeated_and_counted(tmp_path):
    path = cut(tmp_path, 0.7)
    there = len(sequential(path))
    with Video(path) as video:
        clip = video.read([2, 1, video.num_frames - 1]).numpy()
        assert numbers_of(clip)[:2] == [2, 1]
        assert video.num_frames - there >= video.missing - 3
        assert numbers_of(clip)[2] == (video.num_frames - 1 if not video.missing else 2)


def test_a_damaged_file_gives_what_decodes(shared):
    path = shared / "data" / "videos" / "corrupted.mp4"
    with Video(path) as video:
        clip = video.read(range(video.num_frames))
        assert (video.num_frames, video.missing) == (50, 1)
        assert video.errors > 0
    assert (clip.numpy() == np.stack(sequential(path))[:, None][0]).any()


def test_a_clip_of_which_nothing_decodes_is_an_error(library):
    path, _ = library("mjpeg.mov")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in list(container.demux(video=0))[20:30]:
            data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    with Video(bytes(data)) as video:
        assert numbers_of(video.read([5, 35]).numpy()) == [5, 35]
        assert numbers_of(video.read([18, 22, 31]).numpy()) == [18, 18, 31]
        assert video.missing == 1
        with pytest.raises(VideoError, match="decode error at frame 21"):
            video.read([21, 25])


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.ts", "vp9.webm", "mpeg4_b_frames.avi"])
def test_bytes_and_tar_members(library, tmp_path, name):
    path, truth = library(name)
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        tar.add(path, arcname=f"./clips/a b#{name}")
        tar.add(path, arcname="other")
    indices = [30, 2, 11]
    for video in (path.read_bytes(), f"{tmp_path}/shard.tar#clips/a b#{name}", f"{tmp_path}/shard.tar#other"):
        assert np.array_equal(decode(video, indices).numpy(), truth[indices])


@pytest.mark.parametrize("name", ["with space.mp4", "a#b,c.mp4", "50%03d.mp4", "c:d.mp4", "ü'\".mp4", "pipe:0.mp4"])
def test_names_of_files(library, tmp_path, name):
    path, truth = library("b_frames.mp4")
    (tmp_path / name).write_bytes(path.read_bytes())
    assert np.array_equal(decode(tmp_path / name, [3])[0].numpy(), truth[3])
    assert np.array_equal(decode(f"file://{tmp_path}/{name}", [3])[0].numpy(), truth[3])


def test_folders_of_images(tmp_path):
    for number in (2, 0, 1, 3):
        Image.fromarray(painted(number, (64, 96))).save(tmp_path / f"img_{number:05d}.png")
    (tmp_path / "notes.txt").write_text("not an image")
    with Video(tmp_path) as video:
        assert (video.num_frames, video.fps, video.height, video.width) == (4, 30, 64, 96)
        assert numbers_of(video.read([3, 0, 0, 2]).numpy()) == [3, 0, 0, 2]
        window = Window(0, 0, 64, 96, 32, 48)
        assert torch.equal(video.read([1], window), apply_window(torch.from_numpy(painted(1, (64, 96)))[None], window))
        (tmp_path / "img_00002.png").write_bytes(b"damaged")
        assert numbers_of(video.read([0, 2, 3]).numpy()) == [0, 3, 3]
        assert (video.missing, video.errors) == (1, 1)
        with pytest.raises(VideoError, match="decode error at frame 2"):
            video.read([2, 2])


def test_one_image_is_a_video_of_one_frame(tmp_path):
    Image.fromarray(painted(9, (64, 96))).save(tmp_path / "img_%03d.png")
    with Video(tmp_path / "img_%03d.png") as video:
        assert video.num_frames == 1
        assert number_of(video.read([0])[0].numpy()) == 9


def sound(path: Path, picture: bool = False) -> Path:
    """A file with sound, and a cover picture if asked for, but no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame" if path.suffix == ".mp3" else "aac", rate=44100)
        if picture:
            cover = container.add_stream("mjpeg")
            cover.height, cover.width, cover.pix_fmt = 16, 16, "yuvj420p"
            cover.disposition = 0x400
            container.mux(cover.encode(av.VideoFrame.from_ndarray(painted(0, (16, 16)), format="rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 44100, Fraction(1, 44100), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_reasons(library, tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "words.txt").write_text("this is not a video\n" * 50)
    (tmp_path / "head.mp4").write_bytes(library("b_frames.mp4")[0].read_bytes()[:500])
    (tmp_path / "folder").mkdir()
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "noise.mp4", "noise.mp4")
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar.gz").read_bytes())
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.add(tmp_path / "noise.mp4", "noise.mp4")
    sound(tmp_path / "sound.m4a")
    expected = {
        "nowhere.mp4": "missing",
        "b.tar#clip.mp4": "missing",
        "c.tar#clip.mp4": "missing",
        "empty.mp4": "empty",
        "noise.mp4": "unreadable",
        "words.txt": "no video stream",
        "head.mp4": "unreadable",
        "a.tar#noise.mp4": "unreadable",
        "folder": "no frames",
        "sound.m4a": "no video stream",
    }
    for name, reason in expected.items():
        with pytest.raises(VideoError) as caught:
            Video(tmp_path / name)
        assert caught.value.reason == reason, name
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    with pytest.raises(VideoError, match="<bytes>: empty"):
        Video(b"")


def test_errors_survive_workers():
    error = VideoError("a.mp4", "missing", "no such file")
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.reason, str(again)) == ("a.mp4", "missing", "a.mp4: missing: no such file")
    assert str(VideoError("a message")) == "a message"
    assert isinstance(error, ValueError)


def test_mistakes_of_the_user(library):
    path, _ = library("b_frames.mp4")
    with Video(path) as video:
        for indices in ([40], [-1], [0, 10**12]):
            with pytest.raises(ValueError, match="frames go from 0 to 39"):
                video.read(indices)
        for indices in ([0.5], [[1, 2]], ["a"]):
            with pytest.raises(ValueError, match="list of integers"):
                video.read(indices)
        with pytest.raises(ValueError, match="outside the frame of 64 x 96"):
            video.read([0], Window(0, 0, 65, 96, 10, 10))
        assert video.read(torch.tensor([3, 4])).shape == video.read(np.array([3, 4], np.uint8)).shape
    with pytest.raises(ValueError, match="there is no decoder 'opencv'; the decoders are pyav, torchcodec, decord"):
        Video(path, "opencv")


def test_a_broken_backend_is_replaced_with_one_warning(library, monkeypatch):
    path, truth = library("b_frames.mp4")

    def broken(name: str) -> str:
        raise ImportError("libpython3.9.so: cannot open shared object file")

    monkeypatch.setattr(backends, "works", broken)
    backends._reader_of.cache_clear()
    with pytest.warns(RuntimeWarning, match="decord does not work here .*libpython3.9.so.*reading with pyav"):
        clip = decode(path, [3], backend="decord")
    assert np.array_equal(clip[0].numpy(), truth[3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(path, [3], backend="decord")
    backends._reader_of.cache_clear()


def test_root_causes():
    many = "Could not load it. Likely causes: 1. FFmpeg\nOSError: libavutil.so.60: cannot open shared object file\n"
    assert "no FFmpeg shared libraries on this system: libavutil.so.60" in backends.root_cause(RuntimeError(many))
    other = (
        f"{many}OSError: libnppicc.so.12: cannot open shared object file\nOSError: Could not load this library: x.so"
    )
    assert backends.root_cause(RuntimeError(other)).startswith("libnppicc.so.12")
    assert backends.root_cause(ModuleNotFoundError("No module named 'decord'")).endswith("No module named 'decord'")
    chained = RuntimeError("outside")
    chained.__cause__ = ImportError("inside")
    assert backends.root_cause(chained) == "ImportError: inside"


def test_diagnosis(library, monkeypatch):
    rows = diagnose(library("b_frames.mp4")[0])
    assert [row["backend"] for row in rows] == ["pyav", "torchcodec", "decord"]
    first = rows[0]
    assert first["ok"] and first["version"] == available_backends()["pyav"] and first["error"] == ""
    assert (first["frames"], first["fps"], first["height"], first["width"]) == (40, 25, 64, 96)
    assert first["ms"] > 0
    assert all(row["ok"] or row["error"] for row in rows)
    monkeypatch.setitem(backends._READERS, "decord", "NoSuchReader")  # whether or not decord is installed
    again = diagnose(library("b_frames.mp4")[0])
    assert not again[2]["ok"] and again[2]["error"]
    assert again[0]["ok"]
    assert diagnose("nowhere.mp4")[0]["error"].startswith("nowhere.mp4: missing")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_nothing_stays_open_and_memory_does_not_grow(library, tmp_path):
    path, _ = library("b_frames.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(path.read_bytes()[:-300])
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        tar.add(path, arcname="clip.mp4")
    window = Window(0, 0, 64, 64, 224, 224)

    def work() -> None:
        for video in (path, bad, f"{tmp_path}/shard.tar#clip.mp4", path.read_bytes()[:700]):
            try:
                decode(video, range(0, 40, 2), window)
            except VideoError:
                continue

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    for _ in range(10):
        work()
    files, memory = open_files(), resident()
    for _ in range(60):
        work()
    assert open_files() == files
    assert resident() - memory < 20 << 20
    video = Video(path)
    video.close()
    video.close()
    assert open_files() == files


SHARED_FRAMES = {
    "armwrestling_340x256.mp4": 280,
    "av1_video.mkv": 125,
    "discard_first_keyframe.mp4": 25,
    "h264_10bits.mp4": 30,
    "nasa_13013.mp4": 390,
    "nonmonotonic_pts.avi": 164,
    "people.mp4": 57,
    "rotated_90.mov": 3,
    "test_non_zero_start.mp4": 12,
    "testsrc2_odd_height_and_width_444.mp4": 25,
    "testsrc2_vp9.webm": 30,
    "unordered.mov": 4,
}


@pytest.mark.parametrize("name", SHARED_FRAMES)
def test_real_files(shared, name):
    path = shared / "data" / "videos" / name
    with Video(path) as video:
        assert video.num_frames == SHARED_FRAMES[name]
        picks = np.random.default_rng(0).integers(0, video.num_frames, 5)
        clip = video.read(picks).numpy()
        assert video.missing == video.errors == 0
    truth = sequential(path)
    assert len(truth) == SHARED_FRAMES[name]
    assert all(np.array_equal(frame, truth[index]) for frame, index in zip(clip, picks))


def test_a_file_object_over_part_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(100)))
    with Section(str(tmp_path / "file"), 10, 50) as part:
        assert part.read() == bytes(range(10, 60))
        assert part.seek(-5, io.SEEK_END) == 45
        assert part.read(100) == bytes(range(55, 60))
        assert part.read(1) == b""
        assert part.seek(3) == 3
        assert part.read(2) == bytes([13, 14])
