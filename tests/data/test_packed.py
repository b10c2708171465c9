"""Packed images: CIFAR's binary version and idx files, plain and compressed, and cut ones."""

import gzip
import struct

import numpy as np
import pytest

from videonet.data.imagenet import read_images
from videonet.data.images import Image
from videonet.data.kinetics import ListError
from videonet.data.video import VideoError


def cifar(path, count, label_bytes, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, (count, label_bytes), dtype=np.uint8)
    path.write_bytes(np.concatenate((labels, pixels.reshape(count, -1)), 1).tobytes())
    return pixels.transpose(0, 2, 3, 1), labels[:, -1]


def idx(array) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def check(records, pixels, labels):
    assert len(records) == len(labels)
    for number in (0, 1, len(labels) - 1):
        assert records[number].label == labels[number]
        shown = Image(records[number].path).read([0])[0].numpy()
        assert np.array_equal(shown, pixels[number])


def test_cifar10(tmp_path):
    parts = [cifar(tmp_path / f"data_batch_{part}.bin", 3, 1, part) for part in range(1, 6)]
    test = cifar(tmp_path / "test_batch.bin", 4, 1, 9)
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"class {i}" for i in range(10)) + "\n\n")
    train = read_images(tmp_path, "train", num_classes=10)
    check(train, *(np.concatenate(part) for part in zip(*parts)))
    assert train.classes[3] == "class 3"
    for split in ("val", "test"):
        check(read_images(tmp_path, split), *test)
    (tmp_path / "data_batch_4.bin").write_bytes(b"123")
    with pytest.raises(ListError, match=r"data_batch_4\.bin: 3 bytes are no whole number of 3073"):
        read_images(tmp_path, "train")
    (tmp_path / "data_batch_5.bin").unlink()
    (tmp_path / "data_batch_4.bin").write_bytes((tmp_path / "data_batch_3.bin").read_bytes())
    with pytest.raises(ListError, match=r"data_batch_5\.bin: missing"):
        read_images(tmp_path, "train")


def test_cifar100_takes_the_fine_label(tmp_path):
    expect = cifar(tmp_path / "train.bin", 5, 2, 0)
    check(read_images(tmp_path, "train"), *expect)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx(tmp_path, end):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 28, 28), dtype=np.uint8)
    labels = np.arange(6, dtype=np.uint8)
    pack = gzip.compress if end else bytes
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(pack(idx(pixels)))
    with pytest.raises(ListError, match="labels-idx1-ubyte.*: missing"):
        read_images(tmp_path, "train")
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))
    check(read_images(tmp_path, "train", training=True), np.repeat(pixels[..., None], 3, -1), labels)
    with pytest.raises(VideoError, match="unreadable"):
        Image(str(tmp_path / f"train-images-idx3-ubyte{end}#77"))


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08\x03\0\0", b"\0\0\x0d\x01\0\0\0\x01abcd", idx(np.zeros((2, 9, 9), "u1"))[:-1]]
)
def test_cut_or_foreign_idx_files(tmp_path, content):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(content)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, "u1")))
    with pytest.raises(ListError, match="no idx file of bytes, or cut off"):
        read_images(tmp_path, "val")


def test_labels_that_do_not_fit(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 9, 9), "u1")))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, "u1")))
    with pytest.raises(ListError, match="do not fit the images"):
        read_images(tmp_path, "val")
