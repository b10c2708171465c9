"""Boxes scored by number: the same figure as scores that come with their places, in any order and any number."""

import math

import numpy as np
import pytest
import torch

from videonet.evaluation.ava import AvaEvaluation, Truth
from videonet.evaluation.box_ap import BoxAP
from videonet.evaluation.localisation import Localisation, MomentAP

CLASSES = {1: "sit", 2: "run", 4: "wave"}


@pytest.fixture
def people():
    """Truth, and 60 boxes on 20 keyframes near it, with scores of 4 classes (of which one does not count)."""
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(20), 3)
    box = np.tile([[0, 0, 0.3, 1], [0.35, 0, 0.6, 1], [0.7, 0, 1, 1]], (20, 1))
    truth = Truth(frame, box, rng.integers(1, 5, 60))
    found = np.clip(box + rng.normal(0, 0.02, box.shape), 0, 1)
    return truth, frame, found, rng.random((60, 4)).astype(np.float32)


def metric(people, **settings) -> BoxAP:
    truth, frame, box, _ = people
    return BoxAP(truth, frame, box, CLASSES, first=1, **settings)


def feed(one: BoxAP, scores: np.ndarray, order: np.ndarray) -> dict:
    one.reset()
    for part in np.array_split(order, 4):
        one.update(torch.from_numpy(scores[part]), torch.zeros(len(part), 4), torch.from_numpy(part))
    return one.compute()


@pytest.mark.parametrize("protocol", ["recommended", "official", "mmaction2"])
def test_figures_are_those_of_scores_with_places(people, protocol):
    truth, frame, box, scores = people
    whole = AvaEvaluation(truth, CLASSES, excluded=[3], protocol=protocol)
    whole.update(frame, box, scores)
    one = metric(people, excluded=[3], protocol=protocol)
    assert feed(one, scores, np.arange(60)) == {"mAP": whole.compute()["mAP"]}
    assert one.result["per_class"] == whole.compute()["per_class"]
    assert feed(one, scores, np.random.default_rng(1).permutation(60))["mAP"] == whole.compute()["mAP"]


def test_perfect_scores_give_one_and_missing_boxes_cost(people):
    truth, frame, _, _ = people
    perfect = np.eye(5, dtype=np.float32)[truth.label][:, 1:]
    one = BoxAP(truth, frame, truth.box, CLASSES, first=1)
    assert feed(one, perfect, np.arange(60)) == {"mAP": 1.0} and one.result["reasons"] == []
    assert 0.3 < feed(one, perfect, np.arange(30))["mAP"] < 0.7


def test_nothing_scored_and_nothing_annotated(people):
    assert metric(people).compute() == {}
    truth = Truth(np.arange(2), np.ones((2, 4)), np.full(2, 3))
    one = BoxAP(truth, people[1], people[2], CLASSES, first=1)
    assert math.isnan(feed(one, people[3], np.arange(60))["mAP"]) and "label map" in one.result["reasons"][0]


def test_moments_measure_as_the_official_localisation():
    rng = np.random.default_rng(0)
    truth, scores = (rng.random((100, 6)) < 0.2).astype(np.float32), rng.random((100, 6)).astype(np.float32)
    truth[:, 5] = 0
    official, ours = Localisation(6), MomentAP()
    official.update(truth, scores)
    for part in np.array_split(np.arange(100), 3):
        ours.update(torch.from_numpy(scores[part]), torch.from_numpy(truth[part]))
    expect = official.compute()
    assert ours.compute() == pytest.approx({"mAP": expect["mAP"], "wAP": expect["wAP"]})
    assert np.isnan(ours.per_class()[5]) and MomentAP().compute() == {}
