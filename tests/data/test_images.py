"""Images as videos of one frame: the same datasets, geometry and accounts of what cannot be read."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from videonet.data import transforms
from videonet.data.clips import ClipShape, view_batches, view_clips
from videonet.data.images import Image, TrainImages, ValImages, ViewImages
from videonet.data.loader import EvalLoader, TrainLoader
from videonet.data.records import Records
from videonet.data.video import VideoError
from videonet.data.window import Window

SHAPE = ClipShape(frames=1, rate=1, size=16)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)


@pytest.fixture
def records(tmp_path):
    rng = np.random.default_rng(1)
    for number in range(6):
        picture = rng.integers(0, 256, (20 + number, 30 - number, 3), dtype=np.uint8)
        Pillow.fromarray(picture).save(tmp_path / f"{number}.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    names = [f"{number}.png" for number in range(6)]
    return Records.pack(names, [0, 1, 2, 0, 1, 2], root=tmp_path, source="list")


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "1", "I;16", "LA"])
def test_every_mode_becomes_rgb(tmp_path, pixels, mode):
    source = Pillow.fromarray(pixels)
    if mode == "I;16":
        source = Pillow.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    else:
        source = source.convert(mode)
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    source.save(path)
    with Image(str(path)) as image:
        shown = image.read([0])
    assert (image.num_frames, image.height, image.width, shown.dtype) == (1, 24, 36, torch.uint8)
    assert shown.shape == (1, 24, 36, 3)
    if mode in ("RGB", "RGBA"):
        assert torch.equal(shown[0], torch.from_numpy(pixels))
    if mode in ("L", "I;16"):
        assert len(shown.unique()) > 2


def test_windows_padding_and_repeats(tmp_path, pixels):
    Pillow.fromarray(pixels).save(tmp_path / "x.png")
    window = Window(4, 8, 16, 16, 8, 8)
    image = Image(str(tmp_path / "x.png"))
    shown = image.read([0, 0, 0], window)
    assert shown.shape == (3, 8, 8, 3)
    assert torch.equal(shown[0], transforms.apply_window(torch.from_numpy(pixels)[None], window)[0])
    padded = Image(str(tmp_path / "x.png"), pad=4)
    assert (padded.height, padded.width) == (32, 44)
    frame = padded.read([0])[0]
    assert torch.equal(frame[4:-4, 4:-4], torch.from_numpy(pixels))
    assert frame.sum() == int(pixels.sum())


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "missing"), (b"", "empty"), (b"no picture", "unreadable"), ("cut", "unreadable")]
)
def test_broken_images_say_why(tmp_path, pixels, content, reason):
    path = tmp_path / "x.png"
    if content == "cut":
        Pillow.fromarray(pixels).save(path)
        content = path.read_bytes()[:200]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError) as error:
        Image(str(path))
    assert (error.value.path, error.value.reason) == (str(path), reason)


def test_training_images(records):
    data = TrainImages(records, SHAPE, crop=transforms.random_resized_crop, open_video=Image)
    batch = next(TrainLoader(data, 3).batches())
    assert batch["clip"].shape == (3, 16, 16, 3)
    assert transforms.prepare(batch["clip"], batch["flip"]).shape == (3, 3, 16, 16)
    assert torch.equal(data[1]["clip"], data[1]["clip"])
    item = data[4]
    assert item["index"] != 4
    assert item["skipped"][0].reason == "unreadable"
    assert len(TrainImages(records, SHAPE, repeats=3, crop=transforms.random_resized_crop, open_video=Image)[0]) == 3


def test_evaluation_of_images(records):
    loader = EvalLoader(ValImages(records, SHAPE, scale=18, open_video=Image), 4)
    batches = list(loader.batches())
    assert [len(batch["clip"]) for batch in batches] == [4, 1]
    assert [bad.index for bad in loader.missing] == [4]
    window = transforms.centre_crop(20, 30, 16, 18)
    assert torch.equal(batches[0]["clip"][0], Image(records[0].path).read([0], window)[0])


@pytest.mark.parametrize("crops", [1, 3, 5, 10])
def test_crops_of_images(records, crops):
    sample = partial(np.zeros, dtype=np.int64)
    data = ViewImages(records, SHAPE, sample=lambda *_: sample((1, 1)), crops=crops, scale=20, open_video=Image)
    views = torch.cat(list(view_clips(data[0], 4)))
    assert views.shape == (crops, 16, 16, 3)
    frame = Image(records[0].path).read([0])[0]
    assert torch.equal(views[-1 if crops == 5 else crops // 2 if crops < 5 else 4], frame[2:18, 7:23])
    if crops >= 5:
        assert torch.equal(views[0], frame[:16, :16])
        assert torch.equal(views[3], frame[-16:, -16:])
    if crops == 10:
        assert torch.equal(views[5:], views[:5].flip(-2))
    batch = next(view_batches([data[0], data[1]], 100))
    assert batch["view"].tolist() == 2 * list(range(crops))
