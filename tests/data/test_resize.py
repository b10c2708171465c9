"""Resize: every frame at its time, smaller, with key frames where they are wanted; what is done is not done again."""

import av
import numpy as np
import pytest
import torch

from videonet.data.demo import draw_clip, write_video
from videonet.data.kinetics import ListError, read_list
from videonet.data.resize import gain, resize
from videonet.data.video import Video
from videonet.data.window import Window


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "videos"
    for number, (name, frames) in enumerate((("a/one.mp4", 40), ("b/two.mkv.mp4", 9))):
        (root / name).parent.mkdir(parents=True)
        write_video(root / name, draw_clip(np.random.default_rng(number), "down", frames, 96), 25)
    (root / "b/broken.mp4").write_bytes(b"no video")
    (root / "classes.txt").write_text("first\nsecond\n")
    (root / "train.csv").write_text("a/one.mp4 0\nb/broken.mp4 1\nb/two.mkv.mp4 1\n")
    return root


def test_a_folder(root, tmp_path):
    report = resize(root, tmp_path / "small", size=50, gop=8, workers=2)
    assert (report["made"], report["there"]) == (2, 0)
    assert [(bad["path"], bad["reason"]) for bad in report["failed"]] == [(str(root / "b/broken.mp4"), "unreadable")]
    for name in ("a/one.mp4", "b/two.mkv.mp4"):
        with Video(root / name) as source, Video(tmp_path / "small" / name) as copy:
            assert (copy.height, copy.width, copy.num_frames) == (50, 50, source.num_frames)
            assert np.allclose(copy.times, source.times - source.times[0], atol=1e-4)
            frames = range(source.num_frames)
            expect = source.read(frames, Window(0, 0, 96, 96, 50, 50)).float()
            error = (copy.read(frames).float() - expect).abs().mean((1, 2, 3))
            assert error.max() < 8
            assert error.max() < (expect[1:] - expect[:-1]).abs().mean((1, 2, 3)).max() * 2
    with av.open(str(tmp_path / "small/a/one.mp4")) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert [number for number, key in enumerate(keys) if key] == [0, 8, 16, 24, 32]
    assert not list((tmp_path / "small").rglob("*.part"))


def test_copies_say_how_much_faster_they_are_read(root, tmp_path):
    (root / "b/broken.mp4").unlink()
    assert resize(root, tmp_path / "small", size=32)["faster"] > 0
    pairs = [(str(root / "a/one.mp4"), str(root / "a/one.mp4"))] * 5
    assert gain(pairs) > 0
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "bad.mp4").write_bytes(b"no video")
    assert resize(tmp_path / "none", tmp_path / "out")["faster"] is None


def test_an_interrupted_run_goes_on(root, tmp_path):
    (root / "b/broken.mp4").unlink()
    resize(root, tmp_path / "small", size=32)
    done = tmp_path / "small/a/one.mp4"
    (tmp_path / "small/b/two.mkv.mp4").rename(tmp_path / "small/b/two.mkv.mp4.part")
    before = done.stat().st_mtime_ns
    report = resize(root, tmp_path / "small", size=32)
    assert (report["made"], report["there"], report["failed"]) == (1, 1, [])
    assert done.stat().st_mtime_ns == before
    assert (tmp_path / "small/b/two.mkv.mp4").is_file()


def test_copies_inside_the_folder_are_not_copied_again(root):
    (root / "b/broken.mp4").unlink()
    for made, there in ((2, 0), (0, 2)):
        report = resize(root, root / "small", size=32)
        assert (report["made"], report["there"]) == (made, there)


def test_a_list_gives_a_list(root, tmp_path):
    resize(root / "train.csv", tmp_path / "small", size=200)
    copies = read_list(tmp_path / "small/train.csv", training=True)
    assert [(copies.path(row), copies[row].label) for row in range(len(copies))] == [
        ("a/one.mp4", 0),
        ("b/two.mkv.mp4", 1),
    ]
    assert copies.classes == ("first", "second")
    with Video(copies[0].path) as copy, Video(root / "a/one.mp4") as source:
        assert (copy.height, copy.width) == (96, 96)
        assert torch.equal(torch.tensor(copy.num_frames), torch.tensor(source.num_frames))


def test_copies_overwrite_nothing(root, tmp_path):
    with pytest.raises(ValueError, match="would overwrite the videos"):
        resize(root, root)
    (root / "a/one.avi").touch()
    with pytest.raises(ListError, match=r"one\.avi and a/one\.mp4: both copies would be a/one\.mp4"):
        resize(root, tmp_path / "small")
    (tmp_path / "none").mkdir()
    with pytest.raises(ListError, match="no videos"):
        resize(tmp_path / "none", tmp_path / "small")
