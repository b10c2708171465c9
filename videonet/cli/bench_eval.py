"""videonet bench eval: what the metrics take on made sets as large as the public ones, beside another library."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A metric on a made set of `items`: `make` gives a set of so many, `ours` and `theirs` the figure of a set.

    peer: the distribution that `theirs` needs, "" where nothing installable does the same; it is given what `form`
    makes of a set of at most `peer_items`, which is not timed.
    """

    name: str
    what: str
    items: int
    make: Callable[[np.random.Generator, int], Any]
    ours: Callable[[Any], float]
    peer: str = ""
    theirs: Callable[[Any], float] | None = None
    form: Callable[[Any], Any] = lambda made: made
    peer_items: int = 1 << 40


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options alone: the sets are made."""
    parser.add_argument("--share", type=float, default=1.0, metavar="S", help="of the size of the public sets (1)")
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="medians over so many, after a first (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if not 0 < args.share <= 1 or args.repeats < 1:
        raise ValueError("--share must be above 0 and at most 1, --repeats at least 1")
    rows = []
    for case in CASES:
        rows.append(measure(case, max(1, round(args.share * case.items)), args.repeats))
        if not args.json:
            print(line(rows[-1]), flush=True)
    if args.json:
        print(json.dumps(rows, indent=1))
    return 0


def measure(case: Case, items: int, repeats: int) -> dict[str, Any]:
    """Seconds, memory and figure of a set of `items`, and the same beside the peer of the case."""
    import torch

    from videonet.models.timing import medians, peak_memory

    cpu = torch.device("cpu")
    made = case.make(np.random.default_rng(0), items)
    with peak_memory(cpu) as peak:
        before = peak()
        seconds = medians({"ours": lambda: case.ours(made)}, cpu, repeats)["ours"]
        more = peak() - before if before else None
    row = {"name": case.name, "what": case.what, "items": items, "seconds": seconds, "value": case.ours(made)}
    row["mb"] = None if more is None else round(more / 2**20)
    if case.theirs is None:
        return row
    beside: dict[str, Any] = {"name": case.peer}
    try:
        beside["version"] = version(case.peer)
    except PackageNotFoundError:
        return {**row, "peer": {**beside, "error": "it is not installed"}}
    beside["items"] = min(items, case.peer_items)
    if beside["items"] < items:
        made = case.make(np.random.default_rng(0), beside["items"])
    theirs = case.form(made)
    both = medians({"ours": lambda: case.ours(made), "theirs": lambda: case.theirs(theirs)}, cpu, repeats)
    beside.update(seconds=both["theirs"], speed=both["theirs"] / both["ours"])
    beside.update(value=case.theirs(theirs), our_value=case.ours(made))
    return {**row, "peer": beside}


def line(row: dict[str, Any]) -> str:
    """A case for people."""
    memory = "" if row["mb"] is None else f", {row['mb']} MB"
    text = f"{row['name']:<13} {row['items']} {row['what']}: {row['seconds']:.2f} s{memory}"
    peer = row.get("peer")
    if peer is None:
        return text
    if "error" in peer:
        return f"{text}; {peer['name']} was not measured: {peer['error']}"
    return (
        f"{text}; {peer['speed']:.1f}x as fast as {peer['name']} {peer['version']} on {peer['items']} "
        f"({peer['our_value']:.5f}, its {peer['value']:.5f})"
    )


def make_views(rng: np.random.Generator, items: int) -> tuple[Any, Any]:
    """One view's probabilities (items, 400), which serve as every view's, and labels (items,)."""
    import torch

    scores, labels = rng.random((items, 400), np.float32), rng.integers(0, 400, items)
    return torch.from_numpy(scores), torch.from_numpy(labels)


def join_views(made: tuple[Any, Any]) -> float:
    """Top-1 of the joined views, 30 an item, which come in batches of 64."""
    import torch

    from videonet.evaluation.topk import TopK
    from videonet.evaluation.views import Views

    scores, labels = made
    views, places = Views(len(labels), views=30), torch.arange(30 * len(labels))
    for part in places.split(64):
        item = part // 30
        views.update(scores[item], labels[item], item, part % 30)
    scored = views.compute()
    metric = TopK()
    metric.update(scored.scores, scored.target)
    return metric.compute()["top1"] / 100


def make_labels(rng: np.random.Generator, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (items, 157) and 0/1 labels, of which 7 in 157 are 1; each class has one."""
    scores, labels = rng.random((items, 157), np.float32), rng.random((items, 157)) < 7 / 157
    labels[0] = True
    return scores, labels


def mean_ap(made: tuple[np.ndarray, np.ndarray]) -> float:
    """mAP over the classes, as a test of Charades has it."""
    from videonet.evaluation.mean_ap import average_precision

    return float(np.nanmean(average_precision(*made)))


def localisation(made: tuple[np.ndarray, np.ndarray]) -> float:
    """mAP over moments, as Charades' localisation has it."""
    from videonet.evaluation.localisation import Localisation

    metric = Localisation()
    for place in range(0, len(made[0]), 25):
        metric.update(made[1][place : place + 25], made[0][place : place + 25])
    return metric.compute()["mAP"]


def scikit_learn(made: tuple[np.ndarray, np.ndarray]) -> float:
    """The same by scikit-learn."""
    from sklearn.metrics import average_precision_score

    scores, labels = made
    return float(average_precision_score(labels, scores))


def make_boxes(rng: np.random.Generator, items: int) -> tuple[Any, ...]:
    """Keyframes with two people: truth with two classes each, and found boxes near them with 80 scores each."""
    from videonet.evaluation.ava import Truth

    frame = np.repeat(np.arange(items), 2)
    corner, size = rng.random((len(frame), 2)) / 2, 0.2 + 0.3 * rng.random((len(frame), 2))
    box = np.hstack([corner, corner + size]).astype(np.float32)
    truth = Truth(np.repeat(frame, 2), np.repeat(box, 2, 0), rng.integers(1, 81, 2 * len(frame)))
    near = (box + rng.normal(0, 0.03, box.shape)).astype(np.float32)
    return truth, frame, near, rng.random((len(frame), 80), np.float32)


def ava(made: tuple[Any, ...]) -> float:
    """mAP at IoU 0.5 by the recommended protocol."""
    from videonet.evaluation.ava import AvaEvaluation

    metric = AvaEvaluation(made[0], {k: str(k) for k in range(1, 81)})
    metric.update(*made[1:])
    return metric.compute()["mAP"]


def coco_form(made: tuple[Any, ...]) -> tuple[Any, Any]:
    """The set as pycocotools wants it: ground truth and detections."""
    from pycocotools.coco import COCO

    truth, frame, box, score = made

    def rows(frames: np.ndarray, boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> list[dict]:
        sides = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        columns = zip(frames.tolist(), sides.tolist(), labels.tolist(), scores.tolist())
        return [
            {"id": k, "image_id": f, "bbox": b, "category_id": c, "score": s, "area": b[2] * b[3], "iscrowd": 0}
            for k, (f, b, c, s) in enumerate(columns, 1)
        ]

    there, people = COCO(), np.repeat(np.arange(len(frame)), 80)
    there.dataset = {
        "images": [{"id": k} for k in np.unique(truth.frame).tolist()],
        "categories": [{"id": k} for k in range(1, 81)],
        "annotations": rows(truth.frame, truth.box, truth.label, np.ones(len(truth.label))),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        there.createIndex()
        labels = np.tile(np.arange(1, 81), len(frame))
        return there, there.loadRes(rows(frame[people], box[people], labels, score.reshape(-1)))


def coco(made: tuple[Any, Any]) -> float:
    """The same by pycocotools, which samples the curve at 101 points."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(*made, "bbox")
        judge.params.iouThrs, judge.params.maxDets = np.array([0.5]), [100]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"]
    return float(precision[precision > -1].mean())


CASES = (
    Case("views, top-k", "videos of 30 views, 400 classes (Kinetics)", 19_760, make_views, join_views),
    Case("mAP", "videos of 157 classes (Charades)", 1_863, make_labels, mean_ap, "scikit-learn", scikit_learn),
    Case("localisation", "moments of them", 25 * 1_863, make_labels, localisation, "scikit-learn", scikit_learn),
    Case(
        "AVA", "keyframes of 2 people, 80 scores each", 57_000, make_boxes, ava, "pycocotools", coco, coco_form, 1_000
    ),
)
