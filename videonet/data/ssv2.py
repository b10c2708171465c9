"""Something-Something V2 (Goyal et al., ICCV 2017): official JSON labels, webm videos or frame lists; 174 classes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from videonet.data.annotation import Problems, check_present, read_entries, read_json, video_files
from videonet.data.frame_list import FrameLists, read_frame_list
from videonet.data.records import Records
from videonet.suggest import suggest

NUM_CLASSES = 174


def read_templates(path: str | Path, *, num_classes: int = NUM_CLASSES) -> tuple[str, ...]:
    """Class names of something-something-v2-labels.json ({template: "id"}), in the order of the ids.

    The ids must be 0 to num_classes - 1, each once; 0 allows any number of classes.
    """
    table = read_json(path)
    if not isinstance(table, dict) or not table:
        raise ValueError(f'{path}: expected an object of templates and ids, as {{"Closing something": "30"}}')
    ids = {}
    for template, number in table.items():
        if not str(number).isdigit():
            raise ValueError(f"{path}: the id of {template!r} is {number!r}, not a whole number")
        if int(number) in ids:
            raise ValueError(f"{path}: {template!r} and {ids[int(number)]!r} have the same id {number}")
        ids[int(number)] = template
    if num_classes and len(ids) != num_classes:
        raise ValueError(f"{path}: {len(ids)} classes, expected {num_classes}")
    if set(ids) != set(range(len(ids))):
        gap = min(set(range(len(ids))) - set(ids))
        raise ValueError(f"{path}: {len(ids)} classes have ids 0 to {len(ids) - 1}, but {gap} is not there")
    return tuple(ids[number] for number in range(len(ids)))


def read_labels(
    path: str | Path, classes: Sequence[str], *, problems: list[str] | None = None
) -> tuple[list[str], list[int], list[int]]:
    """Video ids, class numbers and lines of something-something-v2-train.json or -validation.json.

    Each entry has an `id` and a `template`, whose brackets are left out to find the class. Broken entries are left out
    and described in `problems`, or raise AnnotationError when no such list is given.
    """
    number = {name: k for k, name in enumerate(classes)}
    broken, ids, lines = Problems(problems), {}, []
    for line, entry in read_entries(path):
        try:
            name, label = _entry(entry, number)
            if name in ids:
                raise ValueError(f"video {name} has an entry already")
            ids[name] = label
            lines.append(line)
        except ValueError as error:
            broken.add(path, line, error)
    broken.finish()
    if not ids:
        raise ValueError(f'{path}: no entries; expected a list of {{"id": "78687", "template": "Holding [something]"}}')
    return list(ids), list(ids.values()), lines


def read_ssv2_videos(
    labels: str | Path,
    templates: str | Path,
    root: str | Path,
    *,
    num_classes: int = NUM_CLASSES,
    may_miss: float = 0.0,
    problems: list[str] | None = None,
) -> Records:
    """The videos `root`/<id>.webm of a split. ValueError names videos that are not there, if they are more than a share
    `may_miss`; else they stay in the list, and are missing where they are read.
    """
    classes = read_templates(templates, num_classes=num_classes)
    ids, numbers, lines = read_labels(labels, classes, problems=problems)
    files = video_files(root)
    check_present(labels, [name for name in ids if name not in files], len(ids), root, may_miss)
    paths = [files.get(name) or os.path.join(root, f"{name}.webm") for name in ids]
    return Records.pack(paths, numbers, lines, source=labels, classes=classes)


def read_ssv2_frames(
    labels: str | Path,
    templates: str | Path,
    frame_list: str | Path,
    *,
    root: str | Path = "",
    num_classes: int = NUM_CLASSES,
    may_miss: float = 0.0,
    problems: list[str] | None = None,
) -> FrameLists:
    """The videos of a split as frame lists, in the order of the labels; `root` is the folder of the frames.

    Videos without frames are handled as in `read_ssv2_videos`; frames of videos without a label are ignored.
    """
    classes = read_templates(templates, num_classes=num_classes)
    ids, numbers, _ = read_labels(labels, classes, problems=problems)
    frames = read_frame_list(frame_list, root=root, problems=problems)
    check_present(labels, [name for name in ids if name not in frames.rows], len(ids), frame_list, may_miss)
    return frames.select(ids, numbers, classes)


def mirrored_classes(classes: Sequence[str]) -> np.ndarray:
    """The class that each class becomes when a clip is mirrored: names with left and right exchanged -> int64 (C,)."""
    number = {name.lower(): k for k, name in enumerate(classes)}
    swap = {"left": "right", "right": "left"}
    turned = [re.sub(r"\b(left|right)\b", lambda word: swap[word[0]], name.lower()) for name in classes]
    return np.array([number.get(name, k) for k, name in enumerate(turned)], np.int64)


def _entry(entry: object, number: dict[str, int]) -> tuple[str, int]:
    """(video id, class) of an entry."""
    if not isinstance(entry, dict) or "id" not in entry:
        raise ValueError("the entry has no id")
    if "template" not in entry:
        raise ValueError(f"video {entry['id']} has no template; the test split has no labels")
    template = str(entry["template"]).replace("[", "").replace("]", "")
    if template not in number:
        raise ValueError(
            f"video {entry['id']}: {template!r} is none of the {len(number)} classes{suggest(template, number)}"
        )
    return str(entry["id"]), number[template]
