"""Still images as videos of one frame, so that images and clips share datasets, geometry and loader."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image as Pillow

from videonet.data.clips import ClipShape, TrainClips, ValClips, ViewClips
from videonet.data.decoders.error import VideoError
from videonet.data.packed import packed_pixels
from videonet.data.records import Record
from videonet.data.transforms import apply_window, whole
from videonet.data.video import Video
from videonet.data.window import Window


class Image:
    """An image file (anything Pillow reads, as RGB) or a `FILE#NUMBER` (data/packed.py), read as `Video` is.

    pad: black pixels added on each side, for the random crops usual on CIFAR. Raises VideoError.
    """

    num_frames = 1
    fps = 30.0
    missing = 0

    def __init__(self, path: str | os.PathLike, *, pad: int = 0) -> None:
        pixels = torch.from_numpy(_pixels(os.fspath(path)))
        self._frame = torch.nn.functional.pad(pixels, (0, 0, pad, pad, pad, pad))[None] if pad else pixels[None]
        self.height, self.width = self._frame.shape[1:3]

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def read(self, indices: Sequence[int] | np.ndarray, window: Window | None = None) -> torch.Tensor:
        """The image as often as there are indices. uint8 (T, H, W, 3)"""
        shown = apply_window(self._frame, window or whole(self.height, self.width, 0))
        return shown.expand(len(indices), -1, -1, -1)

    def read_many(self, requests: Sequence[tuple[Sequence[int], Window | None]]) -> list[torch.Tensor]:
        """Several crops of the image."""
        return [self.read(indices, window) for indices, window in requests]


def _pixels(path: str) -> np.ndarray:
    """uint8 (H, W, 3) of an image."""
    try:
        packed = packed_pixels(path)
        if packed is not None:
            return np.ascontiguousarray(packed)
        if os.path.getsize(path) == 0:
            raise VideoError(path, "empty")
        with Pillow.open(path) as image:
            if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
                return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, -1)
            return np.array(image.convert("RGB"))
    except FileNotFoundError:
        raise VideoError(path, "missing") from None
    except VideoError:
        raise
    except Exception as error:  # Pillow lets through whatever its readers of formats raise
        raise VideoError(path, "unreadable", str(error) or type(error).__name__) from error


class TrainImages(TrainClips):
    """Random crops of images: `TrainClips` with clip uint8 (H, W, 3)."""

    def draw(self, record: Record, video: Image, rng: np.random.Generator, shape: ClipShape) -> list[dict]:
        """The random crops of an open image."""
        return [{**item, "clip": item["clip"][0]} for item in super().draw(record, video, rng, shape)]


class ValImages(ValClips):
    """The centre crop of each image: `ValClips` with clip uint8 (H, W, 3)."""

    def read(self, video: Video | Image) -> dict:
        """The crop of an open image."""
        item = super().read(video)
        return {**item, "clip": item["clip"][0]}


class ViewImages(ViewClips):
    """1, 3, 5 or 10 crops of each image: `ViewClips` whose views are uint8 (v, size, size, 3)."""

    def read(self, video: Video | Image) -> dict:
        """Pixels and crops of an open image."""
        item = super().read(video)
        return {**item, "positions": item["positions"][:, 0]}
