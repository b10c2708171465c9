"""The files of a test: predictions.csv, and from it alone per_class.csv and, for one label a clip, confusion.png."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from videonet.evaluation.mean_ap import average_precision
from videonet.visualize.confusion import draw_confusion

COLUMNS = ("path", "label", "label_name", "predicted", "predicted_name", "score", "top5", "n_views")
ALL_SCORES = "scores"  # one column more where a clip has several labels: only all scores tell the average precision


def write_predictions(rows: Iterable[Mapping[str, object]], path: Path) -> None:
    """Write one row a video; `label` is one number, or several joined by spaces."""
    rows = iter(rows)
    first = next(rows, {})
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, [*COLUMNS, ALL_SCORES] if ALL_SCORES in first else COLUMNS)
        writer.writeheader()
        writer.writerows([first] if first else ())
        writer.writerows(rows)


def prediction(
    path: str, label: int | np.ndarray, scores: np.ndarray, classes: Sequence[str], n_views: int
) -> dict[str, object]:
    """The row of one video from its scores (classes,), all of which it has where the label is a row of 0 and 1."""
    labels = [int(label)] if np.ndim(label) == 0 else np.flatnonzero(label).tolist()
    every = {} if np.ndim(label) == 0 else {ALL_SCORES: " ".join(f"{score:.9g}" for score in scores)}
    order = np.argsort(-scores, kind="stable")[:5].tolist()
    return {
        "path": path,
        "label": " ".join(map(str, labels)),
        "label_name": "; ".join(classes[i] for i in labels),
        "predicted": order[0],
        "predicted_name": classes[order[0]],
        "score": f"{scores[order[0]]:.6f}",
        "top5": " ".join(map(str, order)),
        "n_views": n_views,
        **every,
    }


def read_predictions(path: Path) -> list[dict[str, str]]:
    """The rows of a predictions.csv."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; a test writes it into OUTPUT_DIR")
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if {"x1", "y1", "t_sec"} <= set(reader.fieldnames or ()):
            raise ValueError(f"{path}: these are boxes: per_class.csv has their figures, `videonet evaluate ava` too")
        if missing:
            raise ValueError(f"{path}: this is no predictions.csv; it lacks the columns {', '.join(sorted(missing))}")
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row.values() or not str(row["predicted"]).isdecimal():
            raise ValueError(f"{path}:{number}: the row is cut off or broken; run the test again")
    return rows


def summarise(rows: Sequence[Mapping[str, str]]) -> dict:
    """Top-1 and top-5 in percent, per-class rows and the confusion counts, from the rows of predictions.csv alone."""
    names: dict[int, str] = {}
    for row in rows:
        labels, label_names = row["label"].split(), row["label_name"].split("; ")
        names |= {int(i): name for i, name in zip(labels, label_names)}
        names[int(row["predicted"])] = row["predicted_name"]
    size = max(names, default=-1) + 1
    counts, top5 = np.zeros((size, size), dtype=np.int64), np.zeros(size)
    for row in rows:
        for label in map(int, row["label"].split()):
            counts[label, int(row["predicted"])] += 1
            top5[label] += str(label) in row["top5"].split()
    clips, right = counts.sum(1), counts.diagonal()
    per_class = [
        {
            "label": i,
            "name": names.get(i, str(i)),
            "clips": int(clips[i]),
            "top1": percent(right[i], clips[i]),
            "top5": percent(top5[i], clips[i]),
            "predicted": int(counts[:, i].sum()),
            "most_confused_with": confused(counts[i], i, names),
        }
        for i in range(size)
    ]
    total = int(clips.sum())
    return {
        "clips": len(rows),
        "top1": percent(right.sum(), total),
        "top5": percent(top5.sum(), total),
        "per_class": per_class,
        "counts": counts,
        "classes": [names.get(i, str(i)) for i in range(size)],
    }


def summarise_labels(rows: Sequence[Mapping[str, str]], classes: Sequence[str] = ()) -> dict:
    """Average precision (0..1) of every class and its mean, from rows with all scores; None without a positive clip."""
    scores = np.array([row[ALL_SCORES].split() for row in rows], np.float32)
    labels, names = np.zeros_like(scores), dict(enumerate(classes))
    for number, row in enumerate(rows):
        mine = list(map(int, row["label"].split()))
        labels[number, mine] = 1
        names = dict(zip(mine, row["label_name"].split("; "))) | names
    aps = average_precision(scores, labels)
    per_class = [
        {"label": i, "name": names.get(i, str(i)), "clips": int(labels[:, i].sum()), "ap": None if np.isnan(ap) else ap}
        for i, ap in enumerate(aps.tolist())
    ]
    mean = float(np.nanmean(aps)) if np.isfinite(aps).any() else None
    return {"clips": len(rows), "mAP": mean, "per_class": per_class}


def percent(part: float, whole: float) -> float:
    """part / whole in percent, 0 of nothing."""
    return round(100 * float(part) / float(whole), 4) if whole else 0.0


def confused(row: np.ndarray, label: int, names: Mapping[int, str]) -> str:
    """The class that a class is most often taken for, "" if none."""
    others = row.copy()
    others[label] = 0
    return names.get(int(others.argmax()), "") if others.any() else ""


def write_report(folder: Path, classes: Sequence[str] = ()) -> dict:
    """per_class.csv and confusion.png beside a predictions.csv; returns what `summarise` (or `summarise_labels`) says.

    classes: names, of which rows with several labels know only those that occur.
    """
    rows = read_predictions(folder / "predictions.csv")
    several = bool(rows) and ALL_SCORES in rows[0]
    summary = summarise_labels(rows, classes) if several else summarise(rows)
    with (folder / "per_class.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(summary["per_class"][0]) if summary["per_class"] else ["label"])
        writer.writeheader()
        writer.writerows(summary["per_class"])
    if not several and summary["classes"]:
        draw_confusion(summary["counts"], summary["classes"], folder / "confusion.png")
    return summary
