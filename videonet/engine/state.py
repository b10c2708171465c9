"""What changes while a model is trained (weights, optimizer, step ...): what a checkpoint holds."""

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
OWN_KEYS = ("format", "step", "model", "optimizer", "scaler", "ema", "seed", "metric", "best", "best_step")


@dataclass
class State:
    """A training run at one step.

    Args:
        model: bare (the loop wraps it for several processes).
        optimizer: of its parameters.
        scaler: of fp16 losses, engine.precision.grad_scaler.
        seed: random numbers of a step are a function of (seed, step, rank), as its batch is: `draw`.
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
    seed: int = 0
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

    def draw(self) -> None:
        """Set the random number generators of torch, numpy and Python for the coming step (dropout, mixup ...).

        Nothing drawn between two steps (by an evaluation, by a loader that starts) can change the run, and a resumed
        run draws what the uninterrupted one drew.
        """
        number = int(np.random.SeedSequence((self.seed, self.step, distributed.rank())).generate_state(1)[0])
        torch.manual_seed(number)
        np.random.seed(number)
        random.seed(number)

    def synchronize(self) -> None:
        """Make the statistics of the norms equal on every process: before an evaluation and before a checkpoint."""
        parallel.average_statistics(self.model)
        if self.ema is not None:
            parallel.average_statistics(self.ema)

    def state_dict(self) -> dict:
        """Everything a checkpoint holds."""
        clash = sorted(set(self.extra) & set(OWN_KEYS))
        assert not clash, f"extra keys {clash} are the checkpoint's own"
        return {
            "format": FORMAT,
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "seed": self.seed,
            "metric": self.metric,
            "best": self.best,
            "best_step": self.best_step,
            **self.extra,
        }

    def load_state_dict(self, saved: dict) -> None:
        """Continue from the dict of a checkpoint."""
        if saved["seed"] != self.seed:
            raise ValueError(
                f"it was made with seed {saved['seed']}, this run has seed {self.seed}: they must be equal"
            )
        if (saved["ema"] is None) != (self.ema is None):
            raise ValueError("it and this run differ in having a moving average (EMA) of the weights")
        try:
            self.model.load_state_dict(saved["model"])
            if self.ema is not None:
                self.ema.load_state_dict(saved["ema"])
            settings = [{k: v for k, v in group.items() if k != "params"} for group in self.optimizer.param_groups]
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            lines = " ".join(line.strip() for line in str(error).splitlines())
            raise ValueError(f"it is of another model or optimizer: {lines[:300]}") from error
        for group, own in zip(self.optimizer.param_groups, settings):
            group.update(own)  # torch took over the settings of the checkpoint, such as a weight decay
        if saved["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(saved["scaler"])
        self.step, self.metric = saved["step"], saved["metric"]
        self.best, self.best_step = saved["best"], saved["best_step"]
        self.extra = {**{key: value for key, value in saved.items() if key not in OWN_KEYS}, **self.extra}


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of weights and statistics: average = decay * average + (1 - decay) * model."""
    if not 0 < decay < 1:
        raise ValueError(f"the decay of a moving average must be between 0 and 1, got {decay}")
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
