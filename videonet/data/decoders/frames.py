"""A folder of images, in the order of their names, read as a video."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from PIL import Image, ImageOps

from videonet.data.decoders.clips import Clips, Request
from videonet.data.decoders.error import VideoError
from videonet.data.decoders.source import Source, images_of
from videonet.data.transforms import apply_window

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")


class FramesReader:
    """The images of one folder (see `reader.Reader`). Folders carry no times: 30 frames a second are taken."""

    fps = 30.0

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.missing = self.errors = 0
        self._paths = images_of(source.folder, SUFFIXES)
        if not self._paths:
            raise VideoError(source.name, "no frames", f"no file in the folder ends in {', '.join(SUFFIXES)}")
        self.num_frames = len(self._paths)

    @property
    def times(self) -> np.ndarray:
        return np.arange(self.num_frames) / self.fps

    @cached_property
    def shape(self) -> tuple[int, int]:
        for index in range(self.num_frames):
            if (pixels := self._load(index)) is not None:
                return pixels.shape[:2]
        raise VideoError(self.name, "decode error at frame 0", "none of the images can be read")

    def read_many(self, requests: Sequence[Request]) -> list[torch.Tensor]:
        clips = Clips(requests, self.shape)
        for index in clips.frames:
            pixels = self._load(index)
            if pixels is None or pixels.shape[:2] != self.shape:
                continue
            frame = torch.from_numpy(pixels)[None]
            for window in clips.windows(index):
                clips.put(index, window, (apply_window(frame, window) if window else frame)[0].numpy())
        self.missing += clips.repeat(self.name)
        return clips.tensors

    def close(self) -> None:
        """Nothing is held open between reads."""

    def _load(self, index: int) -> np.ndarray | None:
        """The pixels (H, W, 3) of an image as displayed; None, and an error, where it cannot be read."""
        try:
            with Image.open(self._paths[index]) as image:
                return np.array(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            self.errors += 1
            return None
