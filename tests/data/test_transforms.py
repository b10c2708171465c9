"""Geometry: published offsets and sizes, windows inside any frame, boxes that follow, the batch that a network gets."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from videonet.data import transforms
from videonet.data.window import Window

SIZES = [(256, 340), (340, 256), (256, 256), (240, 320), (1080, 1920), (97, 131), (64, 64), (30, 200)]


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden/pyslowfast/schedules_and_sampling.json").read_text())


def find(golden: dict, start: str) -> list[dict]:
    return next(value for key, value in golden.items() if key.startswith(start))


def test_published_crops(golden):
    for case in find(golden, "uniform_crop"):
        offsets = transforms.crop_offsets(case["h"], case["w"], case["size"], 3)
        assert offsets[case["spatial_idx"]].tolist() == [case["y"], case["x"]]
        assert transforms.crop_offsets(case["h"], case["w"], case["size"]).tolist() == [offsets[1].tolist()]


def test_published_short_side(golden):
    for case in find(golden, "short_side"):
        assert transforms.short_side(case["h"], case["w"], case["short"]) == (case["new_h"], case["new_w"])


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(
    "crop",
    [
        transforms.random_crop,
        partial(transforms.random_crop, inverse=True),
        partial(transforms.random_crop, scales=(224, 224)),
        transforms.random_resized_crop,
        partial(transforms.random_resized_crop, area=(0.9, 1.0), aspect=(0.1, 0.2)),
        lambda rng, h, w, size: transforms.centre_crop(h, w, size, 256),
        lambda rng, h, w, size: transforms.centre_crop(h, w, size),
    ],
)
def test_windows_lie_inside_the_frame(crop, height, width):
    rng = np.random.default_rng(0)
    for _ in range(50):
        window = crop(rng, height, width, 224)
        window.check(height, width)
        assert (window.out_h, window.out_w) == (224, 224)


def test_scale_jitter_shows_what_it_says():
    rng = np.random.default_rng(0)
    windows = [transforms.random_crop(rng, 512, 680, 224) for _ in range(600)]
    scales = np.array([224 / window.h * 512 for window in windows])
    assert scales.min() == pytest.approx(256, rel=0.01)
    assert scales.max() == pytest.approx(320, rel=0.01)
    assert np.mean(scales) == pytest.approx(288, rel=0.01)
    assert min(window.y for window in windows) == 0
    assert max(window.y + window.h for window in windows) == 512
    assert max(window.x + window.w for window in windows) == 680
    inverse = [224 / transforms.random_crop(rng, 512, 680, 224, inverse=True).h for _ in range(600)]
    assert 512 * np.mean(inverse) == pytest.approx(np.log(320 / 256) / (1 / 256 - 1 / 320), rel=0.01)


def test_scales_follow_the_crop_in_multigrid():
    rng = np.random.default_rng(0)
    for _ in range(100):
        window = transforms.random_crop(rng, 512, 680, 112, base=224)
        assert 127 <= 112 / window.h * 512 <= 161
    with pytest.raises(ValueError, match="do not fit a crop of 224"):
        transforms.random_crop(rng, 512, 680, 224, scales=(200, 256))


def test_resized_crop_has_the_area_and_aspect_asked_for():
    rng = np.random.default_rng(0)
    windows = [transforms.random_resized_crop(rng, 500, 500, 224, area=(0.2, 0.6)) for _ in range(500)]
    areas = np.array([window.h * window.w / 500**2 for window in windows])
    ratios = np.array([window.w / window.h for window in windows])
    assert 0.19 < areas.min() < 0.22 < 0.58 < areas.max() < 0.61
    assert 0.74 < ratios.min() < 0.77 < 1.3 < ratios.max() < 1.35
    assert np.mean(np.log(ratios)) == pytest.approx(0, abs=0.03)


def test_resized_crop_falls_back_to_the_centre():
    window = transforms.random_resized_crop(np.random.default_rng(0), 30, 600, 224, area=(1.0, 1.0))
    assert (window.h, window.w, window.y, window.x) == (30, 40, 0, 280)


def test_same_generator_same_window():
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    assert transforms.random_crop(first, 256, 340, 224) == transforms.random_crop(second, 256, 340, 224)


def test_apply_window_crops_then_scales():
    y, x = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    frames = torch.stack((y * 4, x * 3, torch.full_like(x, 7)), -1).to(torch.uint8).repeat(2, 1, 1, 1)
    plain = transforms.apply_window(frames, Window(10, 20, 30, 40, 30, 40))
    assert torch.equal(plain, frames[:, 10:40, 20:60])
    half = transforms.apply_window(frames, Window(10, 20, 30, 40, 15, 20))
    assert half.shape == (2, 15, 20, 3)
    assert half.dtype == torch.uint8
    inside = half[0, 2:-2, 2:-2].float()
    expect = (frames[0, 10:40, 20:60].float().unfold(0, 2, 2).unfold(1, 2, 2).mean((-2, -1)))[2:-2, 2:-2]
    assert (inside - expect).abs().max() <= 1
    with pytest.raises(ValueError, match="outside the frame"):
        transforms.apply_window(frames, Window(40, 0, 30, 40, 30, 40))


def test_boxes_follow_the_pixels():
    rng = np.random.default_rng(0)
    for _ in range(20):
        frames = torch.zeros(1, 200, 300, 3, dtype=torch.uint8)
        x1, y1 = int(rng.integers(0, 200)), int(rng.integers(0, 120))
        box = torch.tensor([[x1, y1, x1 + 80, y1 + 60]], dtype=torch.float32)
        frames[:, y1 : y1 + 60, x1 : x1 + 80] = 255
        window = transforms.random_crop(rng, 200, 300, 160, scales=(160, 240))
        moved = transforms.move_boxes(box, window)
        shown = transforms.apply_window(frames, window)[0, :, :, 0] > 127
        for boxes, picture in ((moved, shown), (transforms.flip_boxes(moved, 160), shown.flip(1))):
            if not transforms.visible(boxes).item():
                assert picture.sum() <= 2 * 160
                continue
            rows, columns = picture.any(1).nonzero(), picture.any(0).nonzero()
            found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert boxes[0].tolist() == pytest.approx([float(v) for v in found], abs=1.01)


def test_boxes_outside_are_not_visible():
    boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 90, 90]])
    moved = transforms.move_boxes(boxes, Window(40, 40, 60, 60, 120, 120))
    assert transforms.visible(moved).tolist() == [False, True]
    assert moved[1].tolist() == [20, 20, 100, 100]


@pytest.mark.parametrize("shape", [(3, 2, 8, 6, 3), (3, 8, 6, 3)])
def test_prepare_normalises_flips_and_moves_channels_first(shape):
    clip = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    flip = torch.tensor([False, True, False])
    out = transforms.prepare(clip, flip, mean, std)
    expect = (clip.double() / 255 - torch.tensor(mean)) / torch.tensor(std)
    expect[1] = expect[1].flip(-2)
    assert torch.allclose(out.double(), expect.movedim(-1, 1), atol=1e-5)
    memory = torch.channels_last_3d if clip.dim() == 5 else torch.channels_last
    assert out.is_contiguous(memory_format=memory)
    assert torch.equal(transforms.prepare(clip, None, mean, std)[0], out[0])
    reverse = transforms.prepare(clip, flip, mean[::-1], std[::-1], reverse_channels=True)
    assert torch.allclose(reverse.flip(1), out)
    assert transforms.prepare(clip, flip, dtype=torch.bfloat16).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="uint8"):
        transforms.prepare(clip.float())


def test_wrong_crops_are_refused():
    with pytest.raises(ValueError, match="1, 3, 5 or 10"):
        transforms.crop_offsets(256, 340, 224, 2)
    with pytest.raises(ValueError, match="does not fit a frame of 200 x 300"):
        transforms.crop_offsets(200, 300, 224)
    with pytest.raises(ValueError, match="does not fit"):
        transforms.centre_crop(200, 300, 224, 200)
