"""Videos without files: each frame shows its number, rows and columns, so that a mistake in time or place is seen."""

import os
import time

import numpy as np
import torch

from videonet.data.records import Records
from videonet.data.transforms import apply_window, whole
from videonet.data.video import VideoError


class PaintedVideo:
    """`name-FRAMES-HEIGHTxWIDTH`: red is the frame number, green the row, blue the column; a fault may be the name."""

    opened: list[str] = []
    reads: list[int] = []
    fps = 30.0

    def __init__(self, path: str | os.PathLike) -> None:
        path = os.fspath(path)
        type(self).opened.append(path)
        name, frames, size = path.rsplit("/", 1)[-1].split("-")
        for fault in ("missing", "empty", "no video stream"):
            if name.startswith(fault):
                raise VideoError(path, fault)
        if name.startswith("mistake"):
            raise ValueError(f"{path}: a mistake of the user")
        while name.startswith("hang"):
            time.sleep(0.1)
        self.num_frames = int(frames)
        self.height, self.width = map(int, size.split("x"))
        self.missing = 2 if name.startswith("damaged") else 0

    def __enter__(self) -> "PaintedVideo":
        return self

    def __exit__(self, *error) -> None:
        pass

    def read(self, indices, window=None) -> torch.Tensor:
        return self.read_many([(indices, window)])[0]

    def _show(self, indices, window) -> torch.Tensor:
        red = torch.as_tensor(np.asarray(indices))[:, None, None].expand(-1, self.height, self.width)
        green = torch.arange(self.height)[None, :, None].expand_as(red)
        blue = torch.arange(self.width)[None, None].expand_as(red)
        frames = torch.stack((red, green, blue), -1).to(torch.uint8)
        return apply_window(frames, window or whole(self.height, self.width, 0))

    def read_many(self, requests) -> list[torch.Tensor]:
        type(self).reads.append(len(np.unique(np.concatenate([indices for indices, _ in requests]))))
        return [self._show(indices, window) for indices, window in requests]


def painted_records(*names: str) -> Records:
    return Records.pack(names, [i % 3 for i in range(len(names))], root="videos", source="train.csv")


def painted_set(count: int = 20, bad: dict[int, str] | None = None) -> Records:
    names = [f"{(bad or {}).get(i, 'clip')} {i}-{20 + i}-{24 + i % 5}x{32 + i % 3}" for i in range(count)]
    return painted_records(*names)
