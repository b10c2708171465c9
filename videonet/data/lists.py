"""Lists made from what is on disk: a folder of class folders becomes train, val and test lists and classes.txt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from videonet.data.kinetics import ListError, read_list

SUFFIXES = {
    *(".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts", ".mts", ".ogv"),
    *(".vob", ".m2ts", ".divx", ".asf"),
}
SPLITS = ("train", "val", "test")


def find_videos(root: str | Path) -> list[str]:
    """Video files under a folder, by their names, as sorted paths relative to it; hidden ones are left out."""
    found = []
    for place, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                found.append(os.path.relpath(os.path.join(place, name), root))
    return sorted(found)


def from_folders(root: str | Path, out: str | Path, *, val_fraction: float = 0.2, seed: int = 0) -> dict:
    """Make the lists of root/CLASS/video files, or of root/{train,val,test}/CLASS/video where those folders exist.

    Classes are the folder names in alphabetical order. Without a val folder, `val_fraction` of each class (at least one
    video, if it has two) is drawn for val; the same seed draws the same ones. Lists go to `out`, with paths relative to
    it where the videos lie inside it. Returns classes, per_class_min and per_class_max (of train), the number of rows
    and the digest of each list, and notes on what was left out. Raises ListError.
    """
    root = Path(root)
    if not 0 <= val_fraction < 1:
        raise ValueError(f"val_fraction must be from 0 to below 1, got {val_fraction}")
    if not root.is_dir():
        raise ListError(f"{root}: no such folder; expected {root}/CLASS/video.mp4")
    split_folders = [split for split in SPLITS if _by_class(root / split)]
    videos = {split: _by_class(root / split) for split in split_folders} or {"train": _by_class(root)}
    classes = sorted({name for split in videos.values() for name in split})
    notes = [f"class {name!r} has no video" for name in _folders(root) if not split_folders and name not in classes]
    for split in videos:
        absent = [name for name in classes if name not in videos[split]]
        if absent:
            notes.append(f"{split} has no video of {len(absent)} of {len(classes)} classes: {', '.join(absent[:5])}")
    if len(classes) < 2:
        raise ListError(
            f"{root}: found {len(classes)} class folders with videos, need at least 2; expected {root}/CLASS/video.mp4"
        )
    if "val" not in videos and "train" in videos and val_fraction:
        videos["train"], videos["val"] = _draw(videos["train"], val_fraction, np.random.default_rng(seed))
        alone = [name for name in videos["train"] if not videos["val"][name]]
        if alone:
            notes.append(f"{len(alone)} classes have one video, none for val: {', '.join(alone[:5])}")
    rows = {
        split: [(path, classes.index(name)) for name in sorted(videos[split]) for path in videos[split][name]]
        for split in videos
    }
    return write_lists(out, rows, classes, notes)


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def _by_class(root: Path) -> dict[str, list[Path]]:
    """Class folder -> its videos, without empty ones."""
    if not root.is_dir():
        return {}
    found = {name: [root / name / video for video in find_videos(root / name)] for name in _folders(root)}
    return {name: videos for name, videos in found.items() if videos}


def _draw(videos: dict[str, list[Path]], fraction: float, rng: np.random.Generator) -> tuple[dict, dict]:
    """(train, val): `fraction` of each class for val, at least one of each where both can have one."""
    train, val = {}, {}
    for name in sorted(videos):
        paths = videos[name]
        count = min(max(round(len(paths) * fraction), 1), len(paths) - 1)
        chosen = set(rng.permutation(len(paths))[:count].tolist())
        train[name] = [path for number, path in enumerate(paths) if number not in chosen]
        val[name] = [path for number, path in enumerate(paths) if number in chosen]
    return train, val


def write_lists(
    out: str | Path, rows: dict[str, Sequence[tuple[Path, int]]], classes: Sequence[str], notes: Iterable[str] = ()
) -> dict:
    """Write a list for each split that has rows of (path, label), and classes.txt; what was written, as a dict."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "classes.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    report: dict = {"out": str(out), "classes": len(classes)}
    for split in SPLITS:
        (out / f"{split}.csv").unlink(missing_ok=True)
        if not rows.get(split):
            continue
        lines = []
        for path, label in rows[split]:
            name = os.path.abspath(path)
            if Path(name).is_relative_to(os.path.abspath(out)):
                name = os.path.relpath(name, out)
            if "\n" in name or "\r" in name or name != name.strip():
                raise ListError(f"{name!r}: a list cannot hold a path with line breaks or with spaces at its ends")
            lines.append(f"{name} {label}\n")
        with (out / f"{split}.csv").open("w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(lines)
        report[split] = len(lines)
        report[f"{split}_digest"] = read_list(out / f"{split}.csv").digest()
    first = rows.get("train") or next((part for part in rows.values() if part), ())
    counts = np.bincount([label for _, label in first], minlength=len(classes))
    report.update(per_class_min=int(counts.min()), per_class_max=int(counts.max()), notes=list(notes))
    return report
