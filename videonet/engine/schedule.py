"""Learning rates as functions of the epoch (a float: schedules move with every step), and the step -> epoch map."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Rate = Callable[[float], float]


def constant(*, base_lr: float, epochs: float, warmup_epochs: float = 0.0, warmup_start_lr: float = 0.01) -> Rate:
    """The same learning rate throughout."""
    return _warm(lambda epoch: base_lr, epochs, warmup_epochs, warmup_start_lr)


def linear(
    *, base_lr: float, epochs: float, end_lr: float = 0.0, warmup_epochs: float = 0.0, warmup_start_lr: float = 0.01
) -> Rate:
    """A straight line from base_lr at epoch 0 to end_lr at the end."""
    return _warm(lambda epoch: base_lr + (end_lr - base_lr) * epoch / epochs, epochs, warmup_epochs, warmup_start_lr)


def cosine(
    *,
    base_lr: float,
    epochs: float,
    end_lr: float = 0.0,
    after_warmup: bool = False,
    warmup_epochs: float = 0.0,
    warmup_start_lr: float = 0.01,
) -> Rate:
    """Half a cosine from base_lr to end_lr (Loshchilov & Hutter 2017).

    Args:
        after_warmup: the cosine starts at its peak where the warm-up ends, instead of at epoch 0 under the warm-up.
    """
    start = warmup_epochs if after_warmup else 0.0

    def rate(epoch: float) -> float:
        return end_lr + (base_lr - end_lr) * (math.cos(math.pi * (epoch - start) / (epochs - start)) + 1) * 0.5

    return _warm(rate, epochs, warmup_epochs, warmup_start_lr)


def steps_with_relative_lrs(
    *,
    base_lr: float,
    epochs: float,
    steps: Sequence[float],
    lrs: Sequence[float],
    warmup_epochs: float = 0.0,
    warmup_start_lr: float = 0.01,
) -> Rate:
    """base_lr * lrs[i] from epoch steps[i] on; steps begins with 0 and rises; one at the run's end never begins."""
    if not steps or steps[0] != 0 or list(steps) != sorted(steps):
        raise ValueError(f"the steps of a schedule must begin with 0 and rise, got {list(steps)}")
    steps = [step for step in steps if step < epochs]
    if len(lrs) < len(steps):
        raise ValueError(f"a schedule of {len(steps)} steps needs a relative lr for each, got {len(lrs)}: {list(lrs)}")
    return _warm(lambda epoch: lrs[bisect_right(steps, epoch) - 1] * base_lr, epochs, warmup_epochs, warmup_start_lr)


def _warm(rate: Rate, epochs: float, warmup_epochs: float, warmup_start_lr: float) -> Rate:
    """`rate` with a straight line from warmup_start_lr to it over the first epochs (Goyal et al. 2017)."""
    if epochs <= 0:
        raise ValueError(f"a schedule needs epochs > 0, got {epochs}")
    if not 0 <= warmup_epochs < epochs:
        raise ValueError(
            f"warmup_epochs {warmup_epochs} must be less than the {epochs} epochs of the run: shorten the warm-up"
        )
    if warmup_epochs == 0:
        return rate
    slope = (rate(warmup_epochs) - warmup_start_lr) / warmup_epochs
    return lambda epoch: epoch * slope + warmup_start_lr if epoch < warmup_epochs else rate(epoch)


def scaled(rate: Rate, batch: int, reference_batch: int) -> Rate:
    """`rate`, found with a global batch of `reference_batch` clips, in proportion for `batch` (Goyal et al. 2017)."""
    if batch < 1 or reference_batch < 1:
        raise ValueError(f"batch sizes must be at least 1, got {batch} and reference {reference_batch}")
    factor = batch / reference_batch
    return lambda epoch: rate(epoch) * factor


class Schedule(Protocol):
    """What the loop knows of a schedule. A step is one update of the weights."""

    steps: int

    def epoch(self, step: int) -> float:
        """Passes over the data that the steps before `step` made."""
        ...

    def lr(self, step: int) -> float:
        """Learning rate of a step."""
        ...


@dataclass(frozen=True)
class Even:
    """A schedule whose epochs all have the same number of steps.

    Args:
        rate: learning rate of an epoch.
        steps_per_epoch: batches in one pass over the data.
        epochs: length of the run.
    """

    rate: Rate
    steps_per_epoch: int
    epochs: float

    def __post_init__(self) -> None:
        if self.steps_per_epoch < 1:
            raise ValueError(
                "an epoch has no full batch: the list is shorter than one global batch; lower the batch size"
            )

    @property
    def steps(self) -> int:
        """Length of the run in steps."""
        return round(self.epochs * self.steps_per_epoch)

    def epoch(self, step: int) -> float:
        """Passes over the data that the steps before `step` made."""
        return step / self.steps_per_epoch

    def lr(self, step: int) -> float:
        """Learning rate of a step."""
        return self.rate(self.epoch(step))
