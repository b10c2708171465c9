"""The named image networks as the tests see them: on the meta device, their facts, and one network of each kind."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.count import count_params
from videonet.models.image import VARIANTS
from videonet.models.pathway import Pathway


def read_csv(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table by their names."""
    with path.open() as file:
        return {row["name"]: row for row in csv.DictReader(file)}


FACTS = read_csv(Path(__file__).with_name("image_names.csv"))


@cache
def on_meta(name: str, dims: int = 2) -> nn.Module:
    """The named network without memory; do not change it."""
    variant = VARIANTS[name]
    with torch.device("meta"):
        return variant(nd=replace(variant.nd, dims=dims)).eval()


def digest(model: nn.Module) -> str:
    """A short hash of all keys and shapes."""
    lines = [f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


@cache
def kinds() -> tuple[str, ...]:
    """The smallest network of each kind: a family's function and the classes of our modules in it."""
    smallest: dict[tuple, str] = {}
    for name in VARIANTS:
        classes = frozenset(
            type(m).__name__ for m in on_meta(name).modules() if type(m).__module__.startswith("videonet")
        )
        key = (VARIANTS[name].build.__name__, classes)
        if key not in smallest or count_params(on_meta(name)) < count_params(on_meta(smallest[key])):
            smallest[key] = name
    return tuple(sorted(smallest.values()))


def image_size(name: str) -> int:
    """Side of a small input that the network still takes: 64 pixels, 32 for CIFAR's."""
    return 32 if VARIANTS[name].input[-1] == 32 else 64


def narrow(name: str, nd: Nd, **pathway: Any) -> nn.Module:
    """The backbone of an eighth of the width; `pathway` are other settings of `Pathway`."""
    return VARIANTS[name].backbone(nd, pathway=Pathway(scale=1 / 8, **pathway))


def draw(batch: int, side: int) -> torch.Tensor:
    """Random square images."""
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))


def train_by_chance(model: nn.Module, seed: int = 0) -> nn.Module:
    """Norms as after training, in eval mode: fresh ones would hide what stands in the wrong place."""
    torch.manual_seed(seed)
    for module in model.modules():
        if getattr(module, "running_var", None) is not None:
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()
