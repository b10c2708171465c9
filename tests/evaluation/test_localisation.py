"""Per-frame mAP of Charades: a result by hand, sklearn where no scores are equal, and what is missing."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from videonet.evaluation.localisation import Localisation, frame_ap, moments


def test_moments_are_the_official_ones():
    assert moments(50.0).tolist() == [2.0 * k for k in range(25)]
    assert moments(10.0, 4).tolist() == [0, 2.5, 5, 7.5]


def test_by_hand():
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert frame_ap(score, np.array([1, 0, 1, 0, 0])) == pytest.approx((1 + 2 / 3) / 2)
    assert frame_ap(score, np.array([0, 0, 0, 0, 1])) == pytest.approx(1 / 5)
    assert frame_ap(score, np.zeros(5)) is None
    metric = Localisation(classes=3)
    metric.update([[1, 0, 0], [0, 0, 0]], [[0.9, 0.1, 0.5], [0.8, 0.2, 0.5]])
    metric.update(
        torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 0]]), torch.tensor([[0.7, 0.3, 0], [0.6, 0.0, 0], [0.5, 0.4, 0]])
    )
    result = metric.compute()
    assert result["per_class"] == [pytest.approx(5 / 6), pytest.approx(1 / 2), None]
    assert result["mAP"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert result["wAP"] == pytest.approx((2 * 5 / 6 + 1 / 2) / 3)
    assert (result["frames"], result["videos_missing"]) == (5, 0)


def test_equals_the_average_precision_of_sklearn():
    rng = np.random.default_rng(0)
    truth, score = rng.random((20, 25, 6)) < 0.2, rng.random((20, 25, 6)).astype(np.float32)
    metric = Localisation(classes=6)
    for t, s in zip(truth, score):
        metric.update(t, s)
    expected = average_precision_score(truth.reshape(-1, 6), score.reshape(-1, 6), average=None)
    assert metric.compute()["per_class"] == pytest.approx(expected.tolist())


def test_the_truth_is_one_and_a_missing_video_ranks_last():
    truth = np.eye(4)
    metric = Localisation(classes=4)
    metric.update(truth, truth)
    assert metric.compute()["mAP"] == 1.0
    metric.update(truth, None)
    result = metric.compute()
    assert result["videos_missing"] == 1
    assert 0.5 < result["mAP"] < 1.0
    metric.reset()
    assert metric.compute() == {"mAP": None, "wAP": None, "per_class": [None] * 4, "frames": 0, "videos_missing": 0}


def test_mistakes_are_named():
    metric = Localisation(classes=4)
    with pytest.raises(ValueError, match=r"\(P, 4\), not \(25, 4\) and \(24, 4\)"):
        metric.update(np.zeros((25, 4)), np.zeros((24, 4)))
    with pytest.raises(ValueError, match=r"\(P, 4\), not \(25, 5\)"):
        metric.update(np.zeros((25, 5)), np.zeros((25, 5)))
    with pytest.raises(ValueError, match="not a number"):
        metric.update(np.zeros((2, 4)), np.full((2, 4), np.nan))
