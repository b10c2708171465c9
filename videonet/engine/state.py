"""What changes while a model is trained (weights, optimizer, random numbers, step ...): what a checkpoint holds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from videonet import distributed
from videonet.engine import parallel

FORMAT = "videonet checkpoint 1"
OWN_KEYS = ("format", "step", "model", "optimizer", "scaler", "ema", "rng", "metric", "best", "best_step")


@dataclass
class State:
    """A training run at one step.

    Args:
        model: bare (the loop wraps it for several processes).
        optimizer: of its parameters.
        scaler: of fp16 losses, engine.precision.grad_scaler.
        ema: a moving average of the weights, `moving_average`.
        step: updates made so far.
        metric: the latest evaluation's figures.
        best: the best value so far of the metric that checkpoints watch, found at best_step.
        extra: what travels along under its own keys: classes (names), mean, std, config (yaml text) ...; only tensors,
            numbers, strings, lists, tuples and dicts.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler = field(default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False))
    ema: AveragedModel | None = None
    step: int = 0
    metric: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_step: int | None = None
    extra: dict = field(default_factory=dict)

    @property
    def evaluated_model(self) -> nn.Module:
        """The weights that are evaluated and used: the moving average where there is one."""
        return self.ema.module if self.ema is not None else self.model

    def synchronize(self) -> None:
        """Make the statistics of the norms equal on every process: before an evaluation and before a checkpoint."""
        parallel.average_statistics(self.model)
        if self.ema is not None:
            parallel.average_statistics(self.ema)

    def state_dict(self) -> dict:
        """Everything a checkpoint holds. Every process must call it: each has its own random numbers."""
        clash = sorted(set(self.extra) & set(OWN_KEYS))
        assert not clash, f"extra keys {clash} are the checkpoint's own"
        return {
            "format": FORMAT,
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "rng": distributed.gather(random_state()),
            "metric": self.metric,
            "best": self.best,
            "best_step": self.best_step,
            **self.extra,
        }

    def load_state_dict(self, saved: dict) -> None:
        """Continue from a checkpoint that `read` returned. With another number of processes than it was written by, the
        run continues but not with the same random numbers."""
        if (saved["ema"] is None) != (self.ema is None):
            raise ValueError("the checkpoint and this run differ in having a moving average (EMA) of the weights")
        try:
            self.model.load_state_dict(saved["model"])
            if self.ema is not None:
                self.ema.load_state_dict(saved["ema"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            lines = " ".join(line.strip() for line in str(error).splitlines())
            raise ValueError(f"the checkpoint is of another model or optimizer: {lines[:300]}") from error
        if saved["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(saved["scaler"])
        self.step, self.metric = saved["step"], saved["metric"]
        self.best, self.best_step = saved["best"], saved["best_step"]
        self.extra.update({key: value for key, value in saved.items() if key not in OWN_KEYS})
        if len(saved["rng"]) == distributed.world_size():
            set_random_state(saved["rng"][distributed.rank()])


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of weights and statistics: average = decay * average + (1 - decay) * model."""
    if not 0 < decay < 1:
        raise ValueError(f"the decay of a moving average must be between 0 and 1, got {decay}")
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def random_state() -> dict:
    """The random number generators of torch (CPU and this process's GPU), numpy and Python."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "python": random.getstate(),
    }


def set_random_state(saved: dict) -> None:
    """Put the generators where `random_state` found them."""
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved["cuda"])
    kind, keys, *rest = saved["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, numbers, gauss = saved["python"]
    random.setstate((version, tuple(numbers), gauss))
