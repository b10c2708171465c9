"""What is wrong with each row of a plain box list: the row itself, or the video or moment that it names."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from videonet.data.annotation import open_annotation
from videonet.data.box_list import HEADER, read_box_list
from videonet.data.check import GOOD, Row, problem_of, write_rows
from videonet.data.keyframes import keyframes, video_places
from videonet.data.processes import CRASHED, in_processes
from videonet.data.video import Video, VideoError

KINDS = {  # words of a reader's message -> the kind of mistake
    "not in fractions": "box outside the frame",
    "has no area": "box without area",
    "is out of range": "label out of range",
    "is not one of": "unknown label",
}


def is_box_list(path: str | Path) -> bool:
    """Whether a file begins with the header of a plain box list."""
    with open_annotation(path) as file:
        return file.readline().replace(b" ", b"").startswith(HEADER.encode())


def check_boxes(path: str | Path, *, prefix: str = "", bad: str | Path | None = None, workers: int = 1) -> dict:
    """Classify every row of a plain box list (`data.box_list`); prefix: the folder of the videos, if not the list's.

    A row is good, or malformed, has a box outside the frame or without area, a label that is unknown or out of range, a
    moment beyond the end, or a video that is missing, unreadable or has a decode error at frame K: all are decoded.
    Returns rows, counts by kind, bad (a dict a row), what the good ones have of videos, keyframes, boxes, labels and
    classes, and the digest that a run shows, of a list without bad rows. `bad` is also written, as a csv file.
    """
    problems: list[str] = []
    boxes = read_box_list(path, problems=problems)
    root, names = prefix or Path(path).resolve().parent, boxes.names()
    until = ends({name: file for name, file in zip(names, video_places(boxes, root)) if file}, workers, decode=True)
    wrong = [_broken(problem[len(f"{path}:") :]) for problem in problems]
    lines = _lines(path, {row.line for row in wrong})
    places = [_problem(until.get(names[number], "missing"), second) for number, second in zip(boxes.video, boxes.time)]
    for line, at, label in zip(lines, boxes.row.tolist(), boxes.label.tolist(), strict=True):
        if places[at]:
            wrong.append(Row(line, f"{names[boxes.video[at]]}@{boxes.time[at]:g}", label, places[at]))
    wrong.sort(key=lambda row: row.line)
    if bad is not None:
        write_rows(bad, wrong)
    sound = boxes.select(np.array([not problem for problem in places], bool), "not sound")
    counts = Counter({GOOD: len(sound.row), **Counter(row.kind for row in wrong)})
    return {
        "rows": len(problems) + len(lines),
        "counts": dict(sorted((+counts).items())),
        "bad": [asdict(row) for row in wrong],
        "videos": len(np.unique(sound.video)),
        "keyframes": len(np.unique(sound.frame)),
        "boxes": len(sound),
        "labels": int((sound.label >= 0).sum()),
        "classes": boxes.num_classes,
        "digest": "" if wrong else keyframes([boxes], videos=root).digest(),
    }


def ends(files: Mapping[str, str], workers: int = 1, *, decode: bool = False) -> dict[str, float | str]:
    """Of each video the second at which it ends, or why it cannot be read; `decode` looks at every frame."""
    found: dict[str, float | str] = {}
    bar = tqdm(total=len(files), desc="check", unit="video", disable=None)
    for name, end in in_processes(partial(_end, decode=decode), files, workers):
        found[name] = "crashes the decoder" if end is CRASHED else end
        bar.update()
    bar.close()
    return found


def _end(path: str, decode: bool) -> float | str:
    """Seconds of a video, or what is wrong with it."""
    if decode and (problem := problem_of(path)):
        return problem
    try:
        with Video(path) as video:
            return video.duration
    except VideoError as error:
        return error.reason + (f": {error.detail}" if error.detail else "")


def _problem(end: float | str, second: float) -> str:
    """What is wrong with a moment of a video that ends at a second, or cannot be read; "" if nothing."""
    if isinstance(end, str):
        return end
    return f"beyond the end: second {second:g} of {end:.3f}" if second >= end else ""


def _broken(text: str) -> Row:
    """The row of a reader's `line: message`."""
    line, message = text.split(": ", 1)
    kind = next((kind for words, kind in KINDS.items() if words in message), "malformed")
    return Row(int(line), "", -1, f"{kind}: {message}")


def _lines(path: str | Path, broken: set[int]) -> list[int]:
    """The lines of the rows that were read: all but the header, the broken ones and `video,second` without a box."""
    with open_annotation(path) as file:
        lines = [(number, line.decode(errors="replace")) for number, line in enumerate(file, 1) if line.strip()]
    return [n for n, line in lines if n > 1 and n not in broken and len(next(csv.reader([line]))) != 2]
