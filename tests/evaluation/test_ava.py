"""The AVA evaluator: laws of the metric, a slow reference that is the definition in loops, switches of protocols."""

import numpy as np
import pytest
import torch

from videonet.evaluation.ava import (
    AVA_GROUPS,
    PROTOCOLS,
    AvaEvaluation,
    Detections,
    Protocol,
    Truth,
    evaluate,
)
from videonet.evaluation.match_statistics import explain
from videonet.evaluation.overlap import match

CLASSES = {k: f"class {k}" for k in range(1, 7)}


def boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    corner = rng.integers(0, 40, (n, 2)) / 100
    return np.concatenate([corner, corner + rng.integers(20, 60, (n, 2)) / 100], 1)


def random_set(seed: int, ties: bool = False) -> tuple[Truth, Detections, np.ndarray]:
    """Boxes that overlap often, unlisted classes 0 and 7, keyframes without truth, some keyframes excluded."""
    rng = np.random.default_rng(seed)
    n, m, rows = 120, 200, 900
    truth = Truth(rng.integers(0, 25, n), boxes(rng, n), rng.integers(0, 8, n), np.array([27]))
    frame, box = rng.integers(0, 30, m), boxes(rng, m)
    copies = rng.permutation(m)[: m // 2]
    source = rng.integers(0, n, m // 2)
    frame[copies], box[copies] = truth.frame[source], truth.box[source]
    score = rng.integers(0, 8, rows) / 8 if ties else rng.permutation(rows) / rows
    label = rng.integers(0, 8, rows)
    label[label == 3] = 4  # class 3 is annotated and never detected
    return truth, Detections(frame, box, rng.integers(0, m, rows), label, score), np.array([2, 9])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if width <= 0 or height <= 0:
        return 0.0
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def slow_ap(truth: Truth, found: Detections, k: int, use: list[int], mine: list[int], by_score: bool) -> float:
    """One class by loops: greedy matching keyframe by keyframe, then the area under the interpolated curve."""
    hits = {}
    for frame in {found.frame[found.row[r]] for r in use}:
        here = [i for i in mine if truth.frame[i] == frame]
        rows = [r for r in use if found.frame[found.row[r]] == frame]
        taken = set()
        for r in sorted(rows, key=lambda r: -found.score[r]) if by_score else rows:
            ious = [overlap(found.box[found.row[r]], truth.box[i]) for i in here]
            at = int(np.argmax(ious)) if ious else -1
            hits[r] = bool(ious) and ious[at] >= 0.5 and at not in taken
            taken |= {at} if hits[r] else set()
    curve = [hits[r] for r in sorted(use, key=lambda r: -found.score[r])]
    points = [(sum(curve[: i + 1]) / len(mine), sum(curve[: i + 1]) / (i + 1)) for i in range(len(curve))]
    steps = [0.0] + [recall for recall, _ in points]
    return sum((b - a) * max((p for r, p in points if r >= b), default=0) for a, b in zip(steps, steps[1:]))


def slow(truth: Truth, found: Detections, excluded: np.ndarray, protocol: Protocol) -> list[float | None]:
    drop_truth = set(excluded.tolist()) if protocol.excluded == "both" else set()
    drop = set(excluded.tolist()) if protocol.excluded != "none" else set()
    listed = [i for i in range(len(truth.label)) if truth.label[i] in CLASSES and truth.frame[i] not in drop_truth]
    any_truth = set(truth.frame.tolist()) | set(np.asarray(truth.empty).tolist())
    frames = {"all": set(range(30)), "any": any_truth, "listed": {truth.frame[i] for i in listed}}[protocol.frames]
    frame = found.frame[found.row]
    rows = [r for r in range(len(frame)) if frame[r] in frames - drop and found.label[r] in CLASSES]
    if protocol.cap:
        best = {f: sorted((r for r in rows if frame[r] == f), key=lambda r: -found.score[r]) for f in set(frame)}
        rows = sorted(r for of_frame in best.values() for r in of_frame[: protocol.cap])
    result = []
    for k in CLASSES:
        mine, use = [i for i in listed if truth.label[i] == k], [r for r in rows if found.label[r] == k]
        counted = mine and (use or protocol.undetected)
        result.append(slow_ap(truth, found, k, use, mine, protocol.by_score) if counted else None)
    return result


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition_written_with_loops(name, seed):
    truth, found, excluded = random_set(seed)
    protocol = PROTOCOLS[name] if name != "official" else Protocol(ties=False, cap=10, frames="any", excluded="none")
    expected = slow(truth, found, excluded, protocol)
    result = evaluate(truth, found, CLASSES, excluded, protocol=protocol)
    assert [c["ap"] for c in result["per_class"]] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert result["mAP"] == pytest.approx(np.mean([ap for ap in expected if ap is not None]), abs=1e-12)


def test_the_protocols_differ_where_they_should():
    truth, found, excluded = random_set(0)
    results = {name: evaluate(truth, found, CLASSES, excluded, protocol=name)["mAP"] for name in PROTOCOLS}
    assert len(set(results.values())) == len(PROTOCOLS)
    aps = {name: evaluate(truth, found, CLASSES, excluded, protocol=name)["per_class"][2]["ap"] for name in PROTOCOLS}
    assert aps == {"official": 0.0, "slowfast": 0.0, "mmaction2": None, "recommended": 0.0}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_truth_as_detections_is_exactly_one(name):
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(300), 3)
    box = boxes(rng, 900) / 4 + np.tile([[0, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5]], (300, 1))
    label = rng.integers(1, 7, 900)
    found = Detections(frame, box, np.arange(900), label, np.ones(900))
    result = evaluate(Truth(frame, box, label), found, CLASSES, protocol=name, groups=AVA_GROUPS)
    assert result["mAP"] == 1.0
    assert result["per_group"] == {"person movement": 1.0, "object manipulation": None, "person interaction": None}
    assert all(c["matched"] == c["truth"] == c["detections"] for c in result["per_class"])
    assert explain(result["statistics"]) == []


@pytest.mark.parametrize("name", PROTOCOLS)
def test_boxes_that_overlap_by_less_than_half_are_exactly_zero(name):
    frame, label = np.arange(50), np.arange(50) % 6 + 1
    box = np.tile([0.1, 0.1, 0.4, 0.4], (50, 1))
    shifted = box + [0.11, 0, 0.11, 0]  # IoU 0.19 / 0.41
    found = Detections(frame, shifted, np.arange(50), label, np.ones(50))
    result = evaluate(Truth(frame, box, label), found, CLASSES, protocol=name)
    assert result["mAP"] == 0.0
    assert result["statistics"]["truth_boxes_matched"] == 0


def test_an_overlap_of_exactly_half_counts():
    box = np.array([[0, 0, 0.5, 0.5]])
    assert match(
        np.array([7]), box, np.array([7, 7, 8]), np.array([[0, 0, 0.5, 1], [0, 0, 0.5, 1.01], box[0]])
    ).tolist() == [
        0,
        -1,
        -1,
    ]


@pytest.mark.parametrize("ties", [False, True])
def test_no_order_of_rows_changes_the_recommended_result(ties):
    truth, found, excluded = random_set(1, ties)
    expected = evaluate(truth, found, CLASSES, excluded)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        a, b, c = rng.permutation(len(truth.frame)), rng.permutation(len(found.frame)), rng.permutation(len(found.row))
        moved = Detections(found.frame[b], found.box[b], np.argsort(b)[found.row[c]], found.label[c], found.score[c])
        result = evaluate(Truth(truth.frame[a], truth.box[a], truth.label[a], truth.empty), moved, CLASSES, excluded)
        assert result == expected


def test_the_slowfast_protocol_lets_the_earlier_row_take_the_annotation():
    truth = Truth(np.array([0]), np.array([[0, 0, 0.5, 0.5]]), np.array([1]))
    box = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.6]])
    found = Detections(np.zeros(2, int), box, np.array([0, 1]), np.array([1, 1]), np.array([0.2, 0.9]))
    assert evaluate(truth, found, {1: "stand"}, protocol="slowfast")["mAP"] == 0.5
    assert evaluate(truth, found, {1: "stand"})["mAP"] == 1.0


def test_update_collects_what_evaluate_takes_at_once():
    rng = np.random.default_rng(3)
    truth, _, excluded = random_set(3)
    frame, box = rng.integers(0, 30, 90), boxes(rng, 90).astype(np.float32)
    score = rng.random((90, 6)).astype(np.float32)
    metric = AvaEvaluation(truth, CLASSES, excluded=excluded, protocol="slowfast", groups=AVA_GROUPS)
    empty = metric.compute()
    assert empty["mAP"] == 0.0
    for at in np.array_split(np.arange(90), 7):
        metric.update(torch.from_numpy(frame[at]), torch.from_numpy(box[at]), torch.from_numpy(score[at]))
    found = Detections(frame, box, np.repeat(np.arange(90), 6), np.tile(np.arange(1, 7), 90), score.reshape(-1))
    expected = evaluate(truth, found, CLASSES, excluded, protocol="slowfast", groups=AVA_GROUPS)
    assert expected["mAP"] > 0
    assert metric.compute() == expected
    metric.reset()
    assert metric.compute() == empty


def test_two_processes_are_one_process_on_all_people(monkeypatch):
    rng = np.random.default_rng(4)
    truth, _, excluded = random_set(4)
    people = rng.integers(0, 30, 80), boxes(rng, 80), rng.random((80, 6))
    one, left, right, idle = (AvaEvaluation(truth, CLASSES, excluded=excluded) for _ in range(4))
    one.update(*people)
    left.update(*(part[:50] for part in people))
    right.update(*(part[50:] for part in people))
    expected = one.compute()
    sent = []
    for metric in (left, right, idle):  # what each process sends
        monkeypatch.setattr("videonet.evaluation.ava.gather", lambda mine: sent.append(mine) or [mine])
        metric.compute()
    monkeypatch.setattr("videonet.evaluation.ava.gather", lambda mine: sent)
    assert [metric.compute() for metric in (left, right, idle)] == [expected] * 3


def test_update_keeps_its_own_copy_of_what_it_is_given():
    truth, _, _ = random_set(0)
    metric = AvaEvaluation(truth, CLASSES)
    frame, box, score = truth.frame.copy(), truth.box.astype(np.float32), np.eye(7, 6, -1, np.float32)[truth.label % 7]
    metric.update(frame, box, score)
    before = metric.compute()
    frame[:], box[:], score[:] = 0, 0, 0
    assert metric.compute() == before


def test_columns_name_the_classes_of_the_scores():
    truth = Truth(np.array([5]), np.array([[0, 0, 0.5, 0.5]]), np.array([4]))
    metric = AvaEvaluation(truth, {4: "dance"}, columns=[9, 4])
    metric.update([5], truth.box, [[0.9, 0.1]])
    assert metric.compute()["mAP"] == 1.0
    metric.update([5], truth.box, [[0.9, 0.1]])
    metric.columns = np.array([9, 4, 1])
    with pytest.raises(ValueError, match="3 class ids are given for 2 score columns"):
        metric.compute()


def test_mistakes_are_named():
    truth, found, _ = random_set(0)
    with pytest.raises(ValueError, match="'voc' is unknown; choose one of official, slowfast, mmaction2, recommended"):
        evaluate(truth, found, CLASSES, protocol="voc")
    metric = AvaEvaluation(truth, CLASSES)
    with pytest.raises(ValueError, match=r"not \(2,\), \(1, 4\) and \(2, 6\)"):
        metric.update([0, 1], [[0, 0, 1, 1]], np.zeros((2, 6)))
    with pytest.raises(ValueError, match="not a finite number"):
        metric.update([0], [[0, 0, 1, 1]], np.full((1, 6), np.nan))


def reasons_for(**changes) -> str:
    truth, _, _ = random_set(0)
    keep = np.isin(truth.label, list(CLASSES))
    truth = Truth(truth.frame[keep], truth.box[keep], truth.label[keep])
    arrays = {"frame": truth.frame, "box": truth.box, "row": np.arange(keep.sum()), "label": truth.label}
    arrays |= {"score": np.ones(keep.sum())} | {k: change(arrays[k]) for k, change in changes.items()}
    return " ".join(explain(evaluate(truth, Detections(**arrays), CLASSES)["statistics"]))


def test_a_low_number_explains_itself():
    assert reasons_for() == ""
    assert "only 0 of 25 annotated keyframes have detections" in reasons_for(frame=lambda f: f + 900)
    assert "look like pixels" in reasons_for(box=lambda b: b * 320)
    assert "more boxes match as y1,x1,y2,x2" in reasons_for(box=lambda b: b[:, [1, 0, 3, 2]])
    assert "ids count from 1" in reasons_for(label=lambda k: k - 1)
    assert "classes that the label map does not list" in reasons_for(label=lambda k: k + 10)
    assert "1 of 6 annotated classes are never detected" in reasons_for(label=lambda k: np.where(k == 2, 3, k))


def test_statistics_count_what_each_rule_drops():
    truth = Truth(np.array([0, 1, 1, 2]), np.tile([0, 0, 0.5, 0.5], (4, 1)), np.array([1, 2, 9, 1]))
    frame = np.array([0, 1, 2, 3])
    found = Detections(frame, np.tile([0, 0, 0.5, 0.5], (4, 1)), np.arange(4), np.array([1, 8, 1, 1]), np.ones(4))
    s = evaluate(truth, found, CLASSES, [2])["statistics"]
    assert (s["truth"], s["truth_dropped"], s["detections_unlisted"], s["detections_excluded"]) == (2, 2, 1, 1)
    assert (s["keyframes_with_truth"], s["keyframes_with_detections"], s["keyframes_with_both"]) == (2, 4, 2)
    assert evaluate(truth, found, CLASSES, [2], protocol="official")["statistics"]["detections_excluded"] == 0
    s = evaluate(truth, found, CLASSES, protocol="mmaction2")["statistics"]
    assert s["detections_ignored_without_truth"] == 1
