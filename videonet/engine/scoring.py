"""Scores of a list: every view of every item once, at any number of processes, with one exchange at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from videonet import distributed
from videonet.engine.batch import clips, split
from videonet.engine.loop import Prepare
from videonet.engine.precision import autocast
from videonet.engine.task import Task, rows


class Result(Protocol):
    """The scores of all items, in the order of the list."""

    index: Tensor
    scores: Tensor
    target: Tensor
    missing: Mapping[int, str]


class Ensemble(Protocol):
    """What puts the scores of an item's views together (evaluation.views.Views)."""

    def reset(self) -> None: ...

    def update(self, scores: Tensor, target: Tensor, index: Tensor, view: Tensor | None = None) -> None: ...

    def skip(self, missing: Iterable[tuple[int, str]]) -> None: ...

    def merge(self, parts: Sequence) -> None: ...

    def compute(self) -> Result: ...


class Metric(Protocol):
    """What measures scores."""

    def reset(self) -> None: ...

    def update(self, scores: Tensor, target: Tensor, index: Tensor) -> None: ...

    def compute(self) -> dict[str, float]: ...


@torch.no_grad()
def test(
    model: nn.Module,
    batches: Iterable[Mapping],
    task: Task,
    ensemble: Ensemble,
    *,
    prepare: Prepare,
    missing: Callable[[], Iterable[tuple[int, str]]] = tuple,
    scores: Callable[..., Tensor] | None = None,
    precision: str = "fp32",
    chunk: int = 0,
) -> float | None:
    """Fill an ensemble with the scores of a list; afterwards it is complete on every process.

    Args:
        batches: this process's share. A batch may hold views of one video, with the number of each in `view`.
        missing: asked after the last batch: pairs (index, reason) of what this process could not read.
        scores: what the model takes -> probabilities; without it, the task's prediction from the logits.
        chunk: most clips that go through the model at once; 0: all of a batch.

    Returns:
        The mean loss over all rows where the logits are at hand (no `scores`), else None.
    """
    ensemble.reset()
    model.eval()
    lost, scored = 0.0, 0
    for batch in batches:
        for part in split(batch, -(-clips(batch) // chunk) if chunk else 1):
            inputs, target = prepare(part)
            with autocast(precision, target.device):
                logits = None if scores else model(*inputs)
                values = scores(*inputs) if scores else task.predict(logits)
            ensemble.update(values.float().cpu(), target.cpu(), part[task.index], part.get("view"))
            if logits is not None:
                lost += float(task.loss(logits, target)) * rows(task, part)
                scored += rows(task, part)
    ensemble.skip(missing())
    parts, lost_by, scored_by = zip(*distributed.gather((ensemble, lost, scored)))
    ensemble.merge(parts)
    return sum(lost_by) / sum(scored_by) if sum(scored_by) else None


def measure(result: Result, metrics: Iterable[Metric]) -> dict[str, float]:
    """The figures of all metrics."""
    figures: dict[str, float] = {}
    for metric in metrics:
        metric.reset()
        metric.update(result.scores, result.target, result.index)
        figures |= metric.compute()
    return figures


def evaluate(
    model: nn.Module,
    batches: Iterable[Mapping],
    task: Task,
    metrics: Iterable[Metric],
    *,
    ensemble: Ensemble,
    prepare: Prepare,
    missing: Callable[[], Iterable[tuple[int, str]]] = tuple,
    precision: str = "fp32",
) -> dict[str, float]:
    """Figures of a model on a list: mean loss, the metrics', items scored and missing."""
    loss = test(model, batches, task, ensemble, prepare=prepare, missing=missing, precision=precision)
    result = ensemble.compute()
    figures = {"loss": loss} if loss is not None else {}
    return {**figures, **measure(result, metrics), "items": len(result.index), "missing": len(result.missing)}
