"""A tiny run: eight-feature clips, a net with batch norm and dropout, batches that are a function of the step."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from videonet.engine import optim, schedule
from videonet.engine.checkpoint import Checkpoints
from videonet.engine.log import Log
from videonet.engine.loop import Every, train
from videonet.engine.state import State, moving_average
from videonet.engine.task import Classification

STEPS = 12
BATCH = 8


def network(dropout: float = 0.3) -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.PReLU(), nn.Dropout(dropout), nn.Linear(16, 3))


def batch_of(step: int, size: int = BATCH) -> dict:
    generator = torch.Generator().manual_seed(100 + step)
    clip = torch.randint(0, 255, (size, 8), dtype=torch.uint8, generator=generator)
    return {"clip": clip, "label": (clip.sum(1) % 3).long(), "index": torch.arange(size) + size * step}


def batches_from(step: int, size: int = BATCH) -> Iterator[dict]:
    while True:
        yield batch_of(step, size)
        step += 1


def prepare(batch: dict) -> tuple:
    return (batch["clip"].float() / 255,), batch["label"]


def state_of(model: nn.Module, *, ema: bool = True, name: str = "sgd") -> State:
    groups = optim.parameter_groups(model, weight_decay=1e-3)
    build = {"sgd": optim.sgd, "adam": optim.adam, "adamw": optim.adamw, "lars": optim.lars}[name]
    return State(model, build(groups), seed=3, ema=moving_average(model, 0.9) if ema else None)


def run(state: State, folder: Path | None, *, steps: int = STEPS, batches=None, save: int = 3, **options) -> bool:
    """Train to the end; a cosine over `STEPS` steps, four an epoch; a line for every step, evaluations at 5 and 10."""
    even = schedule.Even(schedule.cosine(base_lr=0.2, epochs=STEPS / 4, warmup_epochs=0.5), 4, steps / 4)
    return train(
        state,
        batches_from(state.step) if batches is None else batches,
        Classification(),
        **{"prepare": prepare, **options},
        schedule=even,
        log=Log(folder, tensorboard=False),
        every=Every(log=1, save=save, evaluate=5),
        checkpoints=None if folder is None else Checkpoints(folder / "checkpoints", watch="top1"),
    )
