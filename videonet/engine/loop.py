"""The training loop. It knows no dataset, task, model or metric by name: the parts are handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from videonet import distributed
from videonet.engine import optim, parallel
from videonet.engine.batch import advice_on_memory, clips, split
from videonet.engine.checkpoint import Checkpoints
from videonet.engine.clock import Clock, resident_mb
from videonet.engine.interruption import Interruption
from videonet.engine.log import Log
from videonet.engine.mean import Mean
from videonet.engine.precision import autocast
from videonet.engine.schedule import Schedule
from videonet.engine.state import State
from videonet.engine.task import Task, rows
from videonet.engine.watch import Step, Watch

Prepare = Callable[[Mapping], tuple[tuple[Tensor, ...], Tensor]]


@dataclass(frozen=True)
class Every:
    """How many steps lie between two log lines, evaluations, checkpoints; 0: never. The others also come at the end."""

    log: int = 10
    evaluate: int = 0
    save: int = 0


def train(
    state: State,
    batches: Iterable[Mapping],
    task: Task,
    *,
    prepare: Prepare,
    schedule: Schedule,
    log: Log,
    every: Every = Every(),
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    checkpoints: Checkpoints | None = None,
    precision: str = "fp32",
    accumulate: int = 1,
    clip: optim.Clip | None = None,
    watch: Watch | None = None,
) -> bool:
    """Train from state.step to the end of the schedule.

    Args:
        batches: this process's share of the batch of every step, from state.step on.
        prepare: moves a batch to the device and normalises it: -> (what the model takes, what the loss compares with).
        evaluate: figures of a model; it is called on every process.
        accumulate: parts that a batch is divided into, one after the other: less memory, the same gradient.

    Returns:
        True at the end; False where the run was asked to stop (SIGTERM) and did, after a checkpoint.

    Raises:
        Diverged: the loss is no finite number, or exploded.
    """
    network = parallel.wrap(state.model)
    watch, clock, mean = watch or Watch(), Clock(), Mean()
    stop = False

    def due(period: int) -> bool:
        return period > 0 and (state.step % period == 0 or state.step == schedule.steps)

    log.rewind(state.step)
    if state.step >= schedule.steps:
        return True
    optim.train_mode(state.model)
    with Interruption() as interruption:
        for batch in clock.waits(log.progress(batches, "train", total=schedule.steps, start=state.step)):
            state.draw()
            lr = schedule.lr(state.step)
            with advice_on_memory(batch, accumulate):
                figures = gradients(network, batch, task, state.scaler, prepare, precision, accumulate)
            state.step += 1
            norm = update(state, lr, clip, measure=due(every.log))

            pause = due(every.log) or due(every.evaluate) or due(every.save)
            stop = interruption.agreed(ask=pause)
            watch.see(Step(state.step, lr, figures["loss"], norm, state.scaler.get_scale, batch), now=pause or stop)
            mean.add(figures)
            clock.count(clips(batch))

            if due(every.log):
                log.write(_line(state, schedule, lr, norm, mean, clock))
            if evaluated := evaluate is not None and due(every.evaluate):
                state.synchronize()
                state.metric = evaluate(state.evaluated_model)
                log.write({"split": "val", "step": state.step, "epoch": schedule.epoch(state.step), **state.metric})
                optim.train_mode(state.model)
            if checkpoints is not None and (evaluated or stop or due(every.save)):
                checkpoints.save(state, evaluated=evaluated)
            if stop or state.step >= schedule.steps:
                break
            if pause:
                clock.restart()

    if state.step >= schedule.steps:
        return True
    if not stop:
        raise ValueError(f"the batches ended after step {state.step}; the schedule has {schedule.steps} steps")
    saved = ": saved; started again, the run goes on from here" if checkpoints is not None else ""
    log.say(f"asked to stop (SIGTERM) at step {state.step} of {schedule.steps}{saved}")
    return False


def gradients(
    network: nn.Module,
    batch: Mapping,
    task: Task,
    scaler: torch.amp.GradScaler,
    prepare: Prepare,
    precision: str = "fp32",
    accumulate: int = 1,
) -> dict[str, Tensor]:
    """Add the gradients of a batch to the weights' own, part by part.

    The loss is the mean over the rows of all parts and all processes, so that neither number changes the gradient.

    Returns:
        loss and errors as scalars on the device, whose mean over the processes is that of the whole batch.
    """
    rows_here = float(distributed.mean(torch.tensor(float(rows(task, batch)))))
    parts = list(split(batch, accumulate))
    figures: dict[str, Tensor] = {}
    for number, part in enumerate(parts, 1):
        inputs, target = prepare(part)
        share = rows(task, part) / max(rows_here, 1.0)
        with parallel.quiet(network, silent=number < len(parts)):
            with autocast(precision, target.device):
                logits = network(*inputs)
                loss = task.loss(logits, target)
            scaler.scale(loss * share).backward()
        for name, value in {"loss": loss, **task.errors(logits, target)}.items():
            figures[name] = figures.get(name, 0) + share * value.detach()
    return figures


def update(state: State, lr: float, clip: optim.Clip | None, *, measure: bool) -> Tensor | None:
    """Move the weights along their gradients, and the moving average after them; returns the gradient norm, where
    clipping knows it or it is to be measured."""
    weights = [weight for weight in state.model.parameters() if weight.requires_grad]
    optim.set_lr(state.optimizer, lr)
    state.scaler.unscale_(state.optimizer)
    norm = optim.gradient_norm(weights) if measure else None
    if clip is not None:
        norm_before = clip(weights)
        norm = norm_before if norm is None else norm
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad()
    if state.ema is not None:
        state.ema.update_parameters(state.model)
    return norm


def _line(state: State, schedule: Schedule, lr: float, norm: Tensor, mean: Mean, clock: Clock) -> dict[str, object]:
    timing = clock.lap(distributed.world_size())
    line = {"split": "train", "step": state.step, "epoch": schedule.epoch(state.step), **mean.read(), "lr": lr}
    line |= {"grad_norm": float(norm), **timing, "rss_mb": resident_mb()}
    if torch.cuda.is_available():
        line["gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return {**line, "eta_s": (schedule.steps - state.step) * timing["dt"]}
