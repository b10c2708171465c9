"""Laws of the metrics of clips: top-k, mean average precision, accuracy of each class."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, confusion_matrix, top_k_accuracy_score

from videonet.evaluation.classes import PerClass
from videonet.evaluation.mean_ap import MeanAP, average_precision
from videonet.evaluation.topk import TopK, rank
from videonet.evaluation.views import Views

GENERATOR = torch.Generator().manual_seed(0)
SCORES = torch.rand(60, 7, generator=GENERATOR)
LABEL = torch.randint(0, 7, (60,), generator=GENERATOR)
MANY = (torch.rand(60, 7, generator=GENERATOR) > 0.8).float()


def _value(metric, scores, target) -> dict:
    metric.reset()
    metric.update(scores, target)
    return metric.compute()


def test_topk_equals_sklearn():
    found = _value(TopK((1, 3)), SCORES, LABEL)
    for k in (1, 3):
        expected = 100 * top_k_accuracy_score(LABEL.numpy(), SCORES.numpy(), k=k, labels=range(7))
        assert found[f"top{k}"] == pytest.approx(expected)
        assert found[f"top{k}_err"] == pytest.approx(100 - expected)


@pytest.mark.parametrize(
    ("classes", "names"), [(1, {"top1"}), (2, {"top1", "top2"}), (5, {"top1", "top5"}), (9, {"top1", "top5"})]
)
def test_with_few_classes_k_is_their_number(classes, names):
    scores = torch.rand(4, classes)
    found = _value(TopK(), scores, torch.zeros(4, dtype=torch.int64))
    assert set(found) == names | {f"{name}_err" for name in names}
    if classes <= 5:
        assert found[f"top{classes}"] == 100


def test_a_constant_model_scores_chance():
    found = _value(TopK((1, 2)), torch.full((4, 4), 0.25), torch.arange(4))
    assert (found["top1"], found["top2"]) == (25, 50)


def test_rank_counts_the_classes_before_the_label():
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.3, 0.3, 0.3], [0.0, 0.0, 1.0]])
    assert rank(scores, torch.tensor([2, 1, 0])).tolist() == [1, 1, 1]


def test_average_precision_by_hand():
    scores = np.array([[0.9, 0.9], [0.8, 0.8], [0.7, 0.7], [0.6, 0.6]])
    targets = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    assert average_precision(scores, targets) == pytest.approx([(1 + 2 / 3) / 2, (1 / 2 + 2 / 4) / 2])


def test_three_videos_of_charades_by_hand():
    """The best of two views of each; the class without a positive does not count."""
    scores = torch.tensor(
        [[[0.9, 0.1, 0.3], [0.2, 0.6, 0.1]], [[0.5, 0.8, 0.2], [0.8, 0.1, 0.2]], [[0.1, 0.5, 0.9], [0.7, 0.3, 0.1]]]
    )
    labels = torch.tensor([[1.0, 0, 0], [0, 0, 0], [1, 1, 0]])
    views = Views(3, views=2, how="max")
    for view in (1, 0):
        views.update(scores[:, view], labels, torch.arange(3), torch.full((3,), view))
    scored = views.compute()
    first = (1 / 1 + 2 / 3) / 2  # 0.9 yes, 0.8 no, 0.7 yes
    second = 1 / 3  # 0.8 no, 0.6 no, 0.5 yes
    assert _value(MeanAP(), scored.scores, scored.target)["mAP"] == pytest.approx((first + second) / 2)


def test_mean_ap_equals_sklearn_also_with_equal_scores():
    for scores in (SCORES, (SCORES * 4).round() / 4):
        expected = [average_precision_score(MANY[:, c].numpy(), scores[:, c].numpy()) for c in range(7)]
        assert _value(MeanAP(), scores, MANY)["mAP"] == pytest.approx(np.mean(expected))


def test_classes_without_a_positive_are_left_out():
    many = MANY.clone()
    many[:, 3] = 0
    metric = MeanAP()
    found = _value(metric, SCORES, many)
    assert np.isnan(metric.per_class()).tolist() == [c == 3 for c in range(7)]
    kept = [c for c in range(7) if c != 3]
    assert found["mAP"] == pytest.approx(_value(MeanAP(), SCORES[:, kept], many[:, kept])["mAP"])


def test_the_truth_as_score_is_perfect_and_its_opposite_is_not():
    assert _value(MeanAP(), MANY, MANY)["mAP"] == 1.0
    assert _value(MeanAP(), 1 - MANY, MANY)["mAP"] < 0.3
    assert np.isnan(_value(MeanAP(), SCORES, torch.zeros_like(MANY))["mAP"])


def test_confusion_and_accuracy_of_each_class():
    metric = PerClass(8)  # class 7 has no item
    found = _value(metric, torch.nn.functional.pad(SCORES, (0, 1)), LABEL)
    predicted = SCORES.argmax(1)
    assert np.array_equal(metric.confusion[:7, :7], confusion_matrix(LABEL, predicted, labels=range(7)))
    expected = [100 * float((predicted[c == LABEL] == c).float().mean()) for c in range(7)]
    assert metric.accuracy[:7] == pytest.approx(expected)
    assert np.isnan(metric.accuracy[7]) and metric.count.tolist() == [*np.bincount(LABEL), 0]
    assert found["mean_class_acc"] == pytest.approx(np.mean(expected))


CASES = [(TopK(), LABEL), (MeanAP(), MANY), (PerClass(7), LABEL)]


@pytest.mark.parametrize(("metric", "target"), CASES)
def test_updates_in_parts_are_one_update(metric, target):
    whole = _value(metric, SCORES, target)
    metric.reset()
    for start, stop in ((0, 10), (10, 11), (11, 60)):
        metric.update(SCORES[start:stop], target[start:stop])
    assert metric.compute() == whole


@pytest.mark.parametrize(("metric", "target"), CASES)
def test_the_order_of_items_does_not_matter(metric, target):
    whole = _value(metric, SCORES, target)
    order = torch.randperm(60)
    assert _value(metric, SCORES[order], target[order]) == pytest.approx(whole)


@pytest.mark.parametrize(("metric", "target"), CASES)
def test_no_item_is_no_figure(metric, target):
    metric.reset()
    assert metric.compute() == {}


def test_impossible_settings_are_errors():
    with pytest.raises(ValueError, match="k >= 1"):
        TopK((0,))
    with pytest.raises(ValueError, match="must have the same shape"):
        MeanAP().update(SCORES, LABEL)
