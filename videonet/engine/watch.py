"""Stops a run whose loss is no number, or explodes, and says where, with what and why."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from videonet import distributed


class Diverged(ValueError):
    """The loss is NaN or infinite, or exploded."""


@dataclass
class Step:
    """What is known of one step: its number, learning rate, loss and gradient norm (scalars on the device), what tells
    the fp16 loss scale, and the batch on the host."""

    number: int
    lr: float
    loss: Tensor
    norm: Tensor | None
    scale: Callable[[], float]
    batch: Mapping


class Watch:
    """Looks at the loss of every step. On a GPU it looks one step late, when the value has long arrived on the host, so
    that no step waits for it.

    Args:
        folder: where the batch of a bad step is dumped, as `bad_step_N.pt`; None: it is not.
        explosion: stop when a loss is more than this many times the mean of the five before; 0: do not.
        name: the name (path) of the row `index` of the list, for the message.
    """

    def __init__(
        self, folder: Path | str | None = None, *, explosion: float = 0.0, name: Callable[[int], str] = str
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self.explosion = explosion
        self.name = name
        self._waiting: tuple[Step, Tensor, torch.cuda.Event | None] | None = None
        self._recent: deque[float] = deque(maxlen=5)
        self._norms: deque[Tensor] = deque(maxlen=5)

    def see(self, step: Step, *, now: bool) -> None:
        """Look at a step; `now` also where that means waiting for the device (before a log line, a checkpoint)."""
        self._look()
        if step.norm is not None:
            self._norms.append(step.norm)
        event = None
        if step.loss.device.type == "cuda":
            event = torch.cuda.Event()
        value = step.loss.to("cpu", non_blocking=event is not None)
        if event is not None:
            event.record()
        self._waiting = (step, value, event)
        if now or event is None:
            self._look()

    def _look(self) -> None:
        if self._waiting is None:
            return
        step, value, event = self._waiting
        self._waiting = None
        if event is not None:
            event.synchronize()
        loss = float(value)
        usual = sum(self._recent) / len(self._recent) if len(self._recent) == self._recent.maxlen else math.inf
        if not math.isfinite(loss):
            raise Diverged(self._explain(step, f"the loss is {loss}"))
        if self.explosion > 0 and loss > self.explosion * usual:
            raise Diverged(self._explain(step, f"the loss exploded to {loss:.4g} from about {usual:.4g}"))
        self._recent.append(loss)

    def _explain(self, step: Step, what: str) -> str:
        index = step.batch.get("index")
        rows = [self.name(int(row)) for row in index] if index is not None else []
        norms = ", ".join(f"{float(norm):.4g}" for norm in self._norms) or "not measured"
        losses = ", ".join(f"{loss:.4g}" for loss in self._recent) or "none"
        dump = self._dump(step)
        shown = ", ".join(rows[:8]) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
        scale = f"; fp16 loss scale {step.scale():g}" if step.scale() != 1 else ""
        return (
            f"{what} at step {step.number} (rank {distributed.rank()}); lr {step.lr:.4g}; losses before: {losses}; "
            f"gradient norms to here: {norms}{scale}; clips: {shown or 'unknown'}; {dump}. "
            "Lower SOLVER.BASE_LR, warm up longer, clip gradients, or look at those clips"
        )

    def _dump(self, step: Step) -> str:
        if self.folder is None:
            return "batch not dumped"
        path = self.folder / f"bad_step_{step.number:06d}_rank{distributed.rank()}.pt"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save({"step": step.number, "lr": step.lr, "loss": float(step.loss), "batch": dict(step.batch)}, path)
        except (OSError, RuntimeError) as error:
            return f"batch not dumped ({str(error).splitlines()[0]})"
        return f"batch dumped to {path}"
