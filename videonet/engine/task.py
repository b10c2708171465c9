"""What is learned: a task turns logits into a loss and into probabilities, and says which keys of a batch it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Task(Protocol):
    """What the loops know of a task. A *row* is what is scored: a clip, or a box."""

    inputs: tuple[str, ...]  # keys of a batch that the model takes, in order
    target: str  # key of a batch that the loss compares the logits with
    index: str  # key of a batch with the number of each row in the list

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss of the rows: logits (rows, classes) -> scalar, always in float32."""
        ...

    def predict(self, logits: Tensor) -> Tensor:
        """Probabilities (rows, classes), float32."""
        ...

    def errors(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Cheap figures of a training batch, as scalars on the device: their means are logged."""
        ...


def rows(task: Task, batch: Mapping) -> int:
    """How many rows a batch has: every row weighs the same in the loss, wherever it is computed."""
    return len(batch[task.target])


def _weights(values: Sequence[float] | None) -> Tensor | None:
    if values is None:
        return None
    weights = torch.as_tensor(values, dtype=torch.float32)
    if weights.ndim != 1 or not bool((weights >= 0).all()) or float(weights.sum()) == 0:
        raise ValueError(f"class_weights must be one number >= 0 a class, not all 0; got {list(values)[:8]}")
    return weights


def _of_classes(weights: Tensor | None, logits: Tensor) -> Tensor | None:
    """The class weights where the logits (rows, classes) are; ValueError unless they are one a class."""
    if weights is not None and len(weights) != logits.shape[1]:
        raise ValueError(f"class_weights must be one number a class: {logits.shape[1]} numbers, got {len(weights)}")
    return None if weights is None else weights.to(logits.device)


def _mean(losses: Tensor) -> Tensor:
    return losses.sum() / max(losses.shape[0], 1)


class Classification:
    """One label a clip: softmax and cross entropy.

    The target is int64 (B,), or float32 (B, classes) where labels are soft (mixup, cutmix).

    Args:
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016), 0 <= label_smoothing < 1.
        class_weights: factor of the loss of each class. The mean is over the clips: weights of mean 1 keep the scale.
    """

    inputs: tuple[str, ...] = ("clip",)
    target = "label"
    index = "index"

    def __init__(self, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        self.label_smoothing = label_smoothing
        self.class_weights = _weights(class_weights)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean cross entropy over the clips."""
        self.class_weights = _of_classes(self.class_weights, logits)
        smoothing = self.label_smoothing
        losses = F.cross_entropy(
            logits.float(), target, weight=self.class_weights, label_smoothing=smoothing, reduction="none"
        )
        return _mean(losses)

    def predict(self, logits: Tensor) -> Tensor:
        """Softmax."""
        return logits.float().softmax(dim=1)

    def errors(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Top-1 error in percent; a soft label counts as its largest class."""
        label = target if target.ndim == 1 else target.argmax(dim=1)
        return {"top1_err": 100 * _mean((logits.argmax(dim=1) != label).float())}


class MultiLabel:
    """Any number of labels a clip: sigmoid and binary cross entropy of every class; the target is float32 (B, classes).

    Args:
        class_weights: factor of the loss of each class.
    """

    inputs: tuple[str, ...] = ("clip",)
    target = "label"
    index = "index"

    def __init__(self, *, class_weights: Sequence[float] | None = None) -> None:
        self.class_weights = _weights(class_weights)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean binary cross entropy over rows and classes."""
        self.class_weights = _of_classes(self.class_weights, logits)
        losses = F.binary_cross_entropy_with_logits(
            logits.float(), target.float(), weight=self.class_weights, reduction="none"
        )
        return _mean(losses.mean(dim=1))

    def predict(self, logits: Tensor) -> Tensor:
        """Sigmoid."""
        return logits.float().sigmoid()

    def errors(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Nothing: a mean average precision needs more than one batch."""
        return {}


class ActionDetection:
    """The actions of the person in each box: the model takes clip and boxes; rows are boxes.

    Args:
        loss: "bce" (any number of actions a box, as AVA) or "ce" (exactly one action a box).
        class_weights: factor of the loss of each class.
    """

    inputs: tuple[str, ...] = ("clip", "boxes")
    target = "box_label"
    index = "box_index"

    def __init__(self, *, loss: Literal["bce", "ce"] = "bce", class_weights: Sequence[float] | None = None) -> None:
        if loss not in ("bce", "ce"):
            raise ValueError(f"the loss of an action detection is 'bce' or 'ce', got {loss!r}")
        self.rule = (
            Classification(class_weights=class_weights) if loss == "ce" else MultiLabel(class_weights=class_weights)
        )

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss over the boxes; 0 (with a gradient of 0) where a batch has no box."""
        return self.rule.loss(logits, target)

    def predict(self, logits: Tensor) -> Tensor:
        """Sigmoid (bce) or softmax (ce)."""
        return self.rule.predict(logits)

    def errors(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """As the rule for whole clips."""
        return self.rule.errors(logits, target)
