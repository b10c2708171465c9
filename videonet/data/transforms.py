"""Geometry of clips: windows are picked first, by pure functions, then frames and boxes follow; `prepare`.

Frames are uint8 RGB (T, H, W, 3) until `prepare`. Random choices come from the numpy generator handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from videonet.data.window import Window


def short_side(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) scaled so that the shorter one is `size`; the longer one is rounded down, as published."""
    if size < 1:
        raise ValueError(f"the short side must be at least 1 pixel, got {size}")
    if width <= height:
        return math.floor(height / width * size), size
    return size, math.floor(width / height * size)


def whole(height: int, width: int, size: int) -> Window:
    """The whole frame at a short side of `size`; 0 keeps the size of the source."""
    out_h, out_w = short_side(height, width, size) if size else (height, width)
    return Window(0, 0, height, width, out_h, out_w)


def crop_offsets(height: int, width: int, size: int, crops: int = 1) -> np.ndarray:
    """(y, x) of the test crops of `size`. (crops, 2)

    1: the centre; 3: left / top, centre and right / bottom; 5: the corners and the centre (AlexNet), of which 10 adds
    the places again for mirrored crops.
    """
    room_y, room_x = height - size, width - size
    if min(room_y, room_x) < 0:
        raise ValueError(f"a crop of {size} does not fit a frame of {height} x {width}; raise the short side to {size}")
    centre = (math.ceil(room_y / 2), math.ceil(room_x / 2))
    if crops == 1:
        return np.array([centre])
    if crops == 3 and height > width:
        return np.array([(0, centre[1]), centre, (room_y, centre[1])])
    if crops == 3:
        return np.array([(centre[0], 0), centre, (centre[0], room_x)])
    if crops in (5, 10):
        return np.array([(0, 0), (0, room_x), (room_y, 0), (room_y, room_x), centre] * (crops // 5))
    raise ValueError(f"the number of spatial crops is 1, 3, 5 or 10, got {crops}")


def _scaled_crop(height: int, width: int, scaled: tuple[int, int], offset: tuple[int, int], size: int) -> Window:
    """The window that shows the size x size square at `offset` of the frame scaled to `scaled`."""
    h = min(max(round(size * height / scaled[0]), 1), height)
    w = min(max(round(size * width / scaled[1]), 1), width)
    y = min(round(offset[0] * height / scaled[0]), height - h)
    x = min(round(offset[1] * width / scaled[1]), width - w)
    return Window(y, x, h, w, size, size)


def centre_crop(height: int, width: int, size: int, scale: int = 0) -> Window:
    """The centre square of `size` after scaling the short side to `scale` (0: to `size`)."""
    return spatial_crops(height, width, size, scale=scale)[0]


def spatial_crops(height: int, width: int, size: int, crops: int = 1, scale: int = 0) -> list[Window]:
    """The squares of `size` of a test (see `crop_offsets`) after scaling the short side to `scale` (0: to `size`)."""
    scaled = short_side(height, width, scale or size)
    return [_scaled_crop(height, width, scaled, (y, x), size) for y, x in crop_offsets(*scaled, size, crops).tolist()]


def random_crop(
    rng: np.random.Generator,
    height: int,
    width: int,
    size: int,
    *,
    scales: tuple[int, int] = (256, 320),
    inverse: bool = False,
    base: int = 0,
) -> Window:
    """Scale jitter and random crop (SlowFast, section 4): the short side is uniform in `scales`, or its inverse is.

    With `base`, `scales` are meant for crops of `base` and follow the size (multigrid).
    """
    low, high = (scale * size / base for scale in scales) if base else scales
    if not size <= round(low) <= round(high):
        raise ValueError(f"scales {scales} do not fit a crop of {base or size}: need crop <= smallest <= largest scale")
    scale = 1 / rng.uniform(1 / high, 1 / low) if inverse else rng.uniform(low, high)
    scaled = short_side(height, width, round(scale))
    offset = int(rng.integers(scaled[0] - size + 1)), int(rng.integers(scaled[1] - size + 1))
    return _scaled_crop(height, width, scaled, offset, size)


def random_resized_crop(
    rng: np.random.Generator,
    height: int,
    width: int,
    size: int,
    *,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> Window:
    """A rectangle of random area and aspect, scaled to a square (GoogLeNet, section 6); after ten misses the centre."""
    if not 0 < area[0] <= area[1] or not 0 < aspect[0] <= aspect[1]:
        raise ValueError(f"area and aspect are (low, high) with 0 < low <= high, got {area} and {aspect}")
    for _ in range(10):
        target = rng.uniform(*area) * height * width
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        w, h = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < w <= width and 0 < h <= height:
            y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            return Window(y, x, h, w, size, size)
    ratio = min(max(width / height, aspect[0]), aspect[1])
    w, h = max(min(width, round(height * ratio)), 1), max(min(height, round(width / ratio)), 1)
    return Window((height - h) // 2, (width - w) // 2, h, w, size, size)


def apply_window(frames: torch.Tensor, window: Window) -> torch.Tensor:
    """Frames uint8 (T, H, W, 3) cropped and scaled (antialiased bilinear). (T, out_h, out_w, 3)"""
    window.check(frames.shape[1], frames.shape[2])
    crop = frames[:, window.y : window.y + window.h, window.x : window.x + window.w]
    if (window.h, window.w) == (window.out_h, window.out_w):
        return crop
    out = interpolate(
        crop.permute(0, 3, 1, 2), (window.out_h, window.out_w), mode="bilinear", align_corners=False, antialias=True
    )
    return out.permute(0, 2, 3, 1).contiguous()


def move_boxes(boxes: torch.Tensor, window: Window) -> torch.Tensor:
    """Boxes (N, 4) x1, y1, x2, y2 in source pixels as they lie in the window's output, clipped to it. (N, 4)"""
    scale_x, scale_y = window.out_w / window.w, window.out_h / window.h
    offset = boxes.new_tensor([window.x, window.y, window.x, window.y])
    moved = (boxes - offset) * boxes.new_tensor([scale_x, scale_y, scale_x, scale_y])
    limit = boxes.new_tensor([window.out_w, window.out_h, window.out_w, window.out_h])
    return moved.clamp(min=0).minimum(limit)


def flip_boxes(boxes: torch.Tensor, width: int) -> torch.Tensor:
    """Boxes (N, 4) in a frame of `width` that is mirrored left to right. (N, 4)"""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack((width - x2, y1, width - x1, y2), -1)


def visible(boxes: torch.Tensor, least: float = 1.0) -> torch.Tensor:
    """Which boxes (N, 4) are at least `least` pixels wide and high, as after `move_boxes`. bool (N,)"""
    return ((boxes[:, 2:] - boxes[:, :2]) >= least).all(-1)


def prepare(
    clip: torch.Tensor,
    flip: torch.Tensor | None = None,
    mean: Sequence[float] = (0.45, 0.45, 0.45),
    std: Sequence[float] = (0.225, 0.225, 0.225),
    dtype: torch.dtype = torch.float32,
    reverse_channels: bool = False,
) -> torch.Tensor:
    """A uint8 batch as a network wants it: mirrored where `flip` (B,) says so, normalised, channels first.

    clip: (B, T, H, W, 3) or (B, H, W, 3) on any device; mean and std of values in 0..1, in the order of the result.
    Returns (B, 3, T, H, W) or (B, 3, H, W), a permuted view, so channels-last in memory. BGR with `reverse_channels`.
    """
    if clip.dtype != torch.uint8 or clip.shape[-1] != 3:
        raise ValueError(f"prepare takes uint8 (B, T, H, W, 3) or (B, H, W, 3), got {clip.dtype} {tuple(clip.shape)}")
    if flip is not None and flip.any():
        flip = flip.to(clip.device).view(-1, *[1] * (clip.dim() - 1))
        clip = torch.where(flip, clip.flip(-2), clip)
    if reverse_channels:
        clip = clip.flip(-1)
    scale = torch.tensor([1 / (255 * s) for s in std], device=clip.device)
    shift = torch.tensor([m / s for m, s in zip(mean, std)], device=clip.device)
    return torch.addcmul(-shift, clip.float(), scale).to(dtype).movedim(-1, 1)
