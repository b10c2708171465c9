"""What a test leaves: result.json, and the tables beside it."""

from __future__ import annotations

import csv
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from videonet import report
from videonet.data.box_list import write_box_list
from videonet.data.box_split import BoxSplit
from videonet.data.clips import FixedClips
from videonet.data.keyframe_clips import KeyframeClips
from videonet.data.split import Split
from videonet.engine.checkpoint import write_whole
from videonet.evaluation.box_ap import BoxAP
from videonet.evaluation.views import Scored

LEAST = 1e-3  # scores below are not listed: most of the actions of a person have next to none


def write(
    folder: Path, facts: Mapping, scored: Scored, split: Split | BoxSplit, data: FixedClips, metric: object
) -> list[str]:
    """Write result.json, predictions.csv, per_class.csv and, for one label a clip, confusion.png.

    Returns what is to be said of the result beyond its figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = []
    if isinstance(split, BoxSplit):
        notes = write_boxes(folder, scored, data, metric)
    else:
        write_clips(folder, scored, split, data)
    write_whole(folder / "result.json", json.dumps(facts, indent=1).encode())
    return notes


def write_clips(folder: Path, scored: Scored, split: Split, data: FixedClips) -> None:
    """A row a video, then what the rows say of each class."""
    classes = split.classes or [str(i) for i in range(scored.scores.shape[1])]
    rows = zip(scored.index.tolist(), scored.scores.numpy(), scored.target.numpy())
    predictions = (report.prediction(data.name(i), label, row, classes, data.views) for i, row, label in rows)
    report.write_predictions(predictions, folder / "predictions.csv")
    report.write_report(folder, classes)


def write_boxes(folder: Path, scored: Scored, data: KeyframeClips, metric: BoxAP) -> list[str]:
    """predictions.csv, a plain box list of all scores from LEAST on; per_class.csv; what explains the result."""
    notes, index, scores = data.annotations, scored.index.numpy(), scored.scores.numpy()
    columns = np.array([c for c in range(scores.shape[1]) if c + notes.first in notes.classes], np.int64)
    row, column = np.nonzero(scores[:, columns] >= LEAST)
    names = tuple(notes.classes.get(c + notes.first, str(c)) for c in range(scores.shape[1]))
    found = replace(
        data.records.boxes,
        row=index[row].astype(np.int32),
        label=columns[column].astype(np.int32),
        score=scores[row, columns[column]],
        classes=names,
    )
    write_box_list(folder / "predictions.csv", found)
    if not metric.result:
        return []
    write_table(folder / "per_class.csv", metric.result["per_class"])
    s = metric.result["statistics"]
    share = 100 * s["truth_boxes_matched"] / s["truth_boxes"] if s["truth_boxes"] else float("nan")
    line = (
        f"keyframes with annotations {s['keyframes_with_truth']}, with detections {s['keyframes_with_detections']}, "
        f"annotated boxes matched at IoU >= 0.5: {share:.1f} %"
    )
    return [line, *(f"note: {reason}" for reason in metric.result["reasons"])]


def details(metric: object) -> dict:
    """What result.json says of boxes beyond their figure: means of groups, what matched, why the result may be low."""
    found = metric.result if isinstance(metric, BoxAP) else {}
    return {key: found[key] for key in ("per_group", "statistics", "reasons") if key in found}


def write_table(path: Path, rows: Iterable[Mapping]) -> None:
    """Rows of the same keys as a csv file."""
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["id"])
        writer.writeheader()
        writer.writerows(rows)


def digest(path: Path) -> str:
    """sha256 of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Releases of what a number depends on: Python, torch, the decoder and its FFmpeg."""
    found = {"python": platform.python_version()}
    for package in ("videonet", "torch", "torchvision", "numpy", "av"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    import av

    found |= {f"ffmpeg {name}": ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}
    return found
