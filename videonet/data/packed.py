"""Images packed many to a file: CIFAR's binary version and idx files (MNIST, Fashion-MNIST). No pickle is read.

An image is named `FILE#NUMBER`, as if the file were a folder.
"""

from __future__ import annotations

import gzip
import re
import struct
from functools import lru_cache
from pathlib import Path

import numpy as np

from videonet.data.kinetics import ListError, read_classes
from videonet.data.records import Records

MEMBER = re.compile(r"(.+(?:\.bin|-ubyte(?:\.gz)?))#(\d+)", re.DOTALL)
CIFAR = {"train": tuple(f"data_batch_{part}" for part in range(1, 6)), "val": ("test_batch",)}
CIFAR100 = {"train": ("train",), "val": ("test",)}
IDX = {"train": "train", "val": "t10k"}
PIXELS = 3 * 32 * 32


def read_packed(folder: str | Path, split: str) -> Records | None:
    """The images of a split (test is val) of a folder of packed files; None if it has none."""
    folder, split = Path(folder), "train" if split == "train" else "val"
    for parts, label_bytes, names in ((CIFAR, 1, "batches.meta.txt"), (CIFAR100, 2, "fine_label_names.txt")):
        files = [folder / f"{part}.bin" for part in parts[split]]
        if files[0].is_file():
            return _read_cifar(files, label_bytes, folder / names)
    for end in ("", ".gz"):
        images = folder / f"{IDX[split]}-images-idx3-ubyte{end}"
        labels = folder / f"{IDX[split]}-labels-idx1-ubyte{end}"
        if images.is_file():
            return _read_idx(images, labels, folder / "classes.txt")
    return None


def _read_cifar(files: list[Path], label_bytes: int, names: Path) -> Records:
    """Records of label bytes (the last one counts: CIFAR-100's fine label) and 3072 bytes of pixels."""
    paths, labels = [], []
    for file in files:
        if not file.is_file():
            raise ListError(f"{file}: missing, while {files[0].name} is there")
        rows, rest = divmod(file.stat().st_size, label_bytes + PIXELS)
        if rest or not rows:
            raise ListError(f"{file}: {file.stat().st_size} bytes are no whole number of {label_bytes + PIXELS}")
        table = np.memmap(file, np.uint8, "r", shape=(rows, label_bytes + PIXELS))
        labels += table[:, label_bytes - 1].tolist()
        paths += [f"{file.name}#{row}" for row in range(rows)]
    return Records.pack(paths, labels, root=files[0].parent, source=files[0], classes=read_classes(names))


def _read_idx(images: Path, labels: Path, names: Path) -> Records:
    """An idx file of images and the one of their labels."""
    if not labels.is_file():
        raise ListError(f"{labels}: missing, while {images.name} is there")
    pixels, values = _idx(str(images)), _idx(str(labels))
    if pixels.ndim != 3 or values.shape != pixels.shape[:1]:
        raise ListError(f"{labels}: {values.shape} labels do not fit the images {pixels.shape} of {images.name}")
    paths = [f"{images.name}#{row}" for row in range(len(values))]
    return Records.pack(paths, values, root=images.parent, source=labels, classes=read_classes(names))


@lru_cache(maxsize=4)
def _idx(path: str) -> np.ndarray:
    """The array of an idx file of bytes; kept, as a compressed one cannot be read in parts."""
    data = gzip.decompress(Path(path).read_bytes()) if path.endswith(".gz") else Path(path).read_bytes()
    zeros, kind, dims = struct.unpack(">HBB", data[:4]) if len(data) >= 4 else (1, 0, 0)
    shape = struct.unpack(f">{dims}I", data[4 : 4 + 4 * dims]) if len(data) >= 4 + 4 * dims else ()
    if zeros or kind != 8 or len(data) != 4 + 4 * dims + int(np.prod(shape, dtype=np.int64)):
        raise ListError(f"{path}: no idx file of bytes, or cut off")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(shape)


def packed_pixels(path: str) -> np.ndarray | None:
    """The pixels of a `FILE#NUMBER`, uint8 (H, W, 3); None if the path is none."""
    member = MEMBER.fullmatch(path)
    if member is None:
        return None
    file, row = member[1], int(member[2])
    if not file.endswith(".bin"):
        return np.repeat(_idx(file)[row][..., None], 3, -1)
    label_bytes = 2 if Path(file).stem in (*CIFAR100["train"], *CIFAR100["val"]) else 1
    pixels = np.fromfile(file, np.uint8, PIXELS, offset=row * (label_bytes + PIXELS) + label_bytes)
    return pixels.reshape(3, 32, 32).transpose(1, 2, 0)
