"""Lists of images: class folders (ImageNet), `path label` lists, PySlowFast's preloaded json, CIFAR and idx files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from videonet.data.kinetics import ListError, check_classes, read_list, root_of
from videonet.data.packed import read_packed
from videonet.data.records import Records

SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif"}


def read_images(
    folder: str | Path,
    split: str,
    *,
    prefix: str = "",
    num_classes: int = 0,
    training: bool = False,
    separator: str = " ",
) -> Records:
    """The images of a split, `train`, `val` or `test`, in the first of these forms that the folder has.

    `SPLIT.json` ([{"im_path": ..., "class": ...}, ...], PySlowFast's PATH_TO_PRELOAD_IMDB); `SPLIT.csv` or `SPLIT.txt`
    (as `kinetics.read_list`); `SPLIT/CLASS/image`, classes in alphabetical order of the folders of train; CIFAR's
    binary version or idx files, whose test set is both val and test. Raises ListError.
    """
    folder = Path(folder)
    for end in ("csv", "txt"):
        if (folder / f"{split}.{end}").is_file():
            return read_list(
                folder / f"{split}.{end}",
                prefix=prefix,
                separator=separator,
                num_classes=num_classes,
                training=training,
            )
    if (folder / f"{split}.json").is_file():
        records = read_json(folder / f"{split}.json", prefix=prefix)
    elif (folder / split).is_dir():
        records = read_folders(folder / split, order=folder / "train")
    else:
        records = read_packed(folder, split)
    if records is None:
        raise ListError(
            f"{folder}: found no images for {split}: expected {split}.json, {split}.csv, {split}/CLASS/image.jpg, or "
            "CIFAR's or idx files"
        )
    check_classes(records, num_classes, training)
    return records


def read_folders(folder: str | Path, *, order: str | Path = "") -> Records:
    """CLASS/image files; labels by the alphabetical order of the class folders of `order` (or of the folder itself)."""
    folder, order = Path(folder), Path(order or folder)
    classes = _class_folders(order if order.is_dir() else folder)
    label_of = {name: label for label, name in enumerate(classes)}
    paths, labels = [], []
    for name in _class_folders(folder):
        if name not in label_of:
            raise ListError(f"{folder / name}: there is no class of that name in {order}")
        images = sorted(
            os.path.relpath(os.path.join(place, file), folder)
            for place, _, files in os.walk(folder / name)
            for file in files
            if os.path.splitext(file)[1].lower() in SUFFIXES
        )
        paths += images
        labels += [label_of[name]] * len(images)
    if not paths:
        raise ListError(f"{folder}: no images; expected {folder.name}/CLASS/image.jpg")
    return Records.pack(paths, labels, root=folder, source=folder, classes=classes)


def _class_folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def read_json(path: str | Path, *, prefix: str = "") -> Records:
    """PySlowFast's list of {"im_path": path, "class": label}."""
    path = Path(path)
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ListError(f"{path}: not a json file: {error}") from None
    if not isinstance(rows, list) or not rows:
        raise ListError(f"{path}: expected a list of objects with im_path and class")
    for number, row in enumerate(rows):
        good = isinstance(row, dict) and isinstance(row.get("im_path"), str) and type(row.get("class")) is int
        if not good or row["class"] < 0:
            raise ListError(f"{path}: entry {number}: expected im_path and a class from 0 on, got {str(row)[:80]}")
    paths, labels = [row["im_path"] for row in rows], [row["class"] for row in rows]
    return Records.pack(paths, labels, root=prefix or root_of(path, paths[0]), source=path)
