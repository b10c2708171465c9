"""Lists of images: every form that is documented, and a message for what is not."""

import json

import pytest
from PIL import Image as Pillow

from videonet.data.imagenet import read_folders, read_images
from videonet.data.kinetics import ListError


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (4, 4)).save(root / path)


def rows(records) -> list[tuple]:
    return [(records.path(i), records[i].label) for i in range(len(records))]


def test_class_folders(tmp_path):
    touch(tmp_path, "train/n02/b.JPEG", "train/n02/a.jpg", "train/n01/deep/x.png", "train/n03/y.webp", "val/n03/z.JPEG")
    (tmp_path / "train/n01/notes.txt").touch()
    (tmp_path / "train/.cache").mkdir()
    train, val = read_images(tmp_path, "train", training=True), read_images(tmp_path, "val", num_classes=3)
    assert rows(train) == [("n01/deep/x.png", 0), ("n02/a.jpg", 1), ("n02/b.JPEG", 1), ("n03/y.webp", 2)]
    assert train.classes == val.classes == ("n01", "n02", "n03")
    assert rows(val) == [("n03/z.JPEG", 2)]
    assert val[0].path == str(tmp_path / "val/n03/z.JPEG")
    assert rows(read_folders(tmp_path / "val")) == [("n03/z.JPEG", 0)]


def test_lists_and_json(tmp_path):
    (tmp_path / "train.csv").write_text("a b.jpg 0\nc.jpg 1\n")
    (tmp_path / "val.txt").write_text("d.jpg,1\n")
    entries = [{"im_path": "e.jpg", "class": 2}, {"im_path": "/x/f.jpg", "class": 0}]
    (tmp_path / "test.json").write_text(json.dumps(entries))
    assert rows(read_images(tmp_path, "train")) == [("a b.jpg", 0), ("c.jpg", 1)]
    assert rows(read_images(tmp_path, "val", separator=",")) == [("d.jpg", 1)]
    test = read_images(tmp_path, "test", prefix="/data")
    assert [(record.path, record.label) for record in test] == [("/data/e.jpg", 2), ("/x/f.jpg", 0)]
    with pytest.raises(ListError, match="label 2 is out of range"):
        read_images(tmp_path, "test", num_classes=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not a json file"),
        ("[]", "a list of objects"),
        ('{"a": 1}', "a list of objects"),
        ('[{"im_path": "a", "class": 0}, {"im_path": "a"}]', "entry 1: expected im_path"),
        ('[{"im_path": "a", "class": -1}]', "entry 0: expected im_path and a class from 0 on"),
        ('[{"im_path": 3, "class": 1}]', "entry 0"),
    ],
)
def test_broken_json(tmp_path, text, message):
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(ListError, match=message):
        read_images(tmp_path, "train")


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(ListError, match="found no images for train: expected train.json, train.csv"):
        read_images(tmp_path, "train")
    (tmp_path / "train/n1").mkdir(parents=True)
    with pytest.raises(ListError, match="no images; expected train/CLASS/image.jpg"):
        read_images(tmp_path, "train")
    touch(tmp_path, "train/n1/a.jpg", "val/n2/b.jpg")
    with pytest.raises(ListError, match="n2: there is no class of that name in .*train"):
        read_images(tmp_path, "val")
    with pytest.raises(ListError, match="all 1 rows have label 0"):
        read_images(tmp_path, "train", training=True)
