"""Laws of the tasks: the loss is a mean over rows, whatever the rows are."""

import pytest
import torch
import torch.nn.functional as F

from videonet.engine.task import ActionDetection, Classification, MultiLabel, rows

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABEL = torch.tensor([0, 3, 1, 2, 2, 0])
MANY = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]).float()
CASES = [
    (Classification(), LABEL),
    (Classification(label_smoothing=0.1), LABEL),
    (Classification(class_weights=[1, 2, 0.5, 0.5]), LABEL),
    (Classification(label_smoothing=0.1, class_weights=[1, 2, 0.5, 0.5]), LABEL),
    (Classification(), F.one_hot(LABEL, 4).float() * 0.7 + 0.3 / 4),
    (MultiLabel(), MANY),
    (MultiLabel(class_weights=[1, 2, 0.5, 0.5]), MANY),
    (ActionDetection(), MANY),
    (ActionDetection(loss="ce"), LABEL),
]


@pytest.mark.parametrize(("task", "target"), CASES)
def test_the_loss_of_a_batch_is_the_mean_over_its_parts_weighted_by_rows(task, target):
    whole = task.loss(LOGITS, target)
    parts = [(4, task.loss(LOGITS[:4], target[:4])), (2, task.loss(LOGITS[4:], target[4:]))]
    assert whole.item() == pytest.approx(sum(n * loss.item() for n, loss in parts) / 6, rel=1e-6)


def test_equal_to_torch():
    assert Classification().loss(LOGITS, LABEL) == pytest.approx(F.cross_entropy(LOGITS, LABEL))
    smooth = F.cross_entropy(LOGITS, LABEL, label_smoothing=0.1)
    assert Classification(label_smoothing=0.1).loss(LOGITS, LABEL) == pytest.approx(smooth)
    assert MultiLabel().loss(LOGITS, MANY) == pytest.approx(F.binary_cross_entropy_with_logits(LOGITS, MANY))


def test_a_hard_label_as_soft_label_is_the_same():
    soft = F.one_hot(LABEL, 4).float()
    task = Classification(label_smoothing=0.1)
    assert task.loss(LOGITS, soft) == pytest.approx(task.loss(LOGITS, LABEL).item(), rel=1e-6)
    assert task.errors(LOGITS, soft) == task.errors(LOGITS, LABEL)


def test_class_weights_scale_the_rows_of_their_class():
    only = Classification(class_weights=[0, 0, 0, 1.0]).loss(LOGITS, LABEL)
    assert only == pytest.approx(F.cross_entropy(LOGITS[1:2], LABEL[1:2]) / 6)


@pytest.mark.parametrize(("task", "target"), CASES)
def test_predictions_are_float32_probabilities(task, target):
    scores = task.predict(LOGITS.bfloat16())
    assert scores.dtype == torch.float32
    assert bool(((scores >= 0) & (scores <= 1)).all())
    assert task.loss(LOGITS.bfloat16(), target).dtype == torch.float32


def test_softmax_sums_to_one_and_sigmoid_does_not_compete():
    assert Classification().predict(LOGITS).sum(1) == pytest.approx(torch.ones(6))
    assert torch.equal(MultiLabel().predict(LOGITS)[:, :1], MultiLabel().predict(LOGITS[:, :1]))


def test_top1_error_is_in_percent():
    logits = F.one_hot(torch.tensor([0, 1, 1]), 4).float()
    assert Classification().errors(logits, torch.tensor([0, 1, 2]))["top1_err"] == pytest.approx(100 / 3)


@pytest.mark.parametrize("loss", ["bce", "ce"])
def test_a_batch_without_boxes_has_a_zero_loss_and_gradient(loss):
    logits = torch.zeros(0, 4, requires_grad=True)
    target = torch.zeros(0, 4) if loss == "bce" else torch.zeros(0, dtype=torch.int64)
    task = ActionDetection(loss=loss)
    value = task.loss(logits, target)
    value.backward()
    assert value == 0 and logits.grad.shape == (0, 4)
    assert task.errors(logits, target) == ({} if loss == "bce" else {"top1_err": 0})


def test_tasks_name_what_they_need_of_a_batch():
    batch = {
        "clip": torch.zeros(2, 1),
        "label": torch.zeros(2),
        "boxes": torch.zeros(5, 5),
        "box_label": torch.zeros(5, 4),
    }
    assert rows(Classification(), batch) == 2
    assert rows(ActionDetection(), batch) == 5
    assert ActionDetection().inputs == ("clip", "boxes")


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [0.0, 0.0], [[1.0]]])
def test_impossible_class_weights_are_errors(weights):
    with pytest.raises(ValueError, match="class_weights must be"):
        MultiLabel(class_weights=weights)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(("rule", "target"), [(Classification, LABEL), (MultiLabel, MANY)])
def test_class_weights_of_another_number_of_classes_are_an_error(rule, target, count):
    with pytest.raises(ValueError, match=f"class_weights must be one number a class: 4 numbers, got {count}"):
        rule(class_weights=[1.0] * count).loss(LOGITS, target)


def test_impossible_settings_are_errors():
    with pytest.raises(ValueError, match="label_smoothing must be"):
        Classification(label_smoothing=1.0)
    with pytest.raises(ValueError, match="'bce' or 'ce', got 'mse'"):
        ActionDetection(loss="mse")
