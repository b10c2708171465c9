"""Frame lists read as videos: the listed images in their order, whatever is missing among them."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from videonet.data.frame_list import read_frame_list
from videonet.data.frame_video import FrameVideo, FrameVideos
from videonet.data.transforms import apply_window
from videonet.data.video import VideoError
from videonet.data.window import Window


@pytest.fixture
def lists(tmp_path):
    """Two videos of ten and four images, listed against the order of their names."""
    rng, rows = np.random.default_rng(0), ["original_vido_id video_id frame_id path labels"]
    for name, count in (("ten", 10), ("four", 4)):
        (tmp_path / name).mkdir()
        for number in reversed(range(count)):
            pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:03d}.png")
            rows.append(f'{name} 0 {count - 1 - number} {name}/{number:03d}.png ""')
    (tmp_path / "list.csv").write_text("\n".join(rows))
    return read_frame_list(tmp_path / "list.csv", root=tmp_path)


def shown(lists, row: int, index: int) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(lists.paths(row)[index])))


def test_frames_come_in_the_order_of_the_list(lists):
    with FrameVideo(lists, 0, fps=24) as video:
        assert (video.num_frames, video.fps, video.height, video.width, video.missing) == (10, 24, 20, 30, 0)
        assert video.times[6] == pytest.approx(0.25) and video.duration == pytest.approx(10 / 24)
        frames = video.read([3, 3, 9, 0])
        assert all(torch.equal(frame, shown(lists, 0, i)) for frame, i in zip(frames, (3, 3, 9, 0)))
        window = Window(2, 4, 16, 16, 8, 8)
        assert torch.equal(video.read([5], window), apply_window(shown(lists, 0, 5)[None], window))
        with pytest.raises(ValueError, match="frame 10 asked for"):
            video.read([10])


def test_the_opener_takes_the_row_of_a_record_and_travels_to_workers(lists):
    opener = pickle.loads(pickle.dumps(FrameVideos(lists)))
    with opener(lists.videos[1]) as video:
        assert (video.name, video.num_frames, video.fps) == ("four", 4, 30)
        assert torch.equal(video.read([1])[0], shown(lists, 1, 1))


def test_missing_images_are_counted_and_show_their_neighbour(lists, tmp_path):
    (tmp_path / "ten" / "009.png").unlink()
    (tmp_path / "ten" / "004.png").write_bytes(b"")
    with FrameVideo(lists, 0) as video:
        frames = video.read([0, 1, 4, 5])
        assert video.missing == 2 and (video.height, video.width) == (20, 30)
        assert torch.equal(frames[0], shown(lists, 0, 1)) and torch.equal(frames[3], shown(lists, 0, 4))


@pytest.mark.parametrize(("spoil", "reason"), [("unlink", "missing"), ("empty", "unreadable")])
def test_a_video_without_a_readable_image_says_so(lists, tmp_path, spoil, reason):
    for path in (tmp_path / "four").iterdir():
        path.unlink() if spoil == "unlink" else path.write_bytes(b"")
    with pytest.raises(VideoError) as error, FrameVideo(lists, 1) as video:
        video.read([0])
    assert (error.value.path, error.value.reason) == ("four", reason) and "four/003.png" in str(error.value)


def test_turned_images_have_the_size_that_they_are_shown_in(lists, tmp_path):
    for path in (tmp_path / "four").iterdir():
        image = Image.open(path)
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(path, exif=exif)
    with FrameVideo(lists, 1) as video:
        assert (video.height, video.width) == (30, 20) and video.read([0]).shape == (1, 30, 20, 3)
