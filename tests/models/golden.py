"""The published networks whose sizes and outputs are on file: how each is built here, and how it is checked."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from videonet.models.network import Network
from videonet.models.video.resnet3d import VARIANTS as TRUNKS
from videonet.models.video.slowfast import VARIANTS as SLOWFASTS

VIDEO = {**TRUNKS, **SLOWFASTS}
FOLDER = "golden/pyslowfast"


@dataclass(frozen=True)
class Case:
    """A file of published figures: the variant here and what it is called with."""

    file: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def build(self, classes: int, **settings: Any) -> Network:
        return VIDEO[self.name](classes, **{**self.settings, **settings}).eval()


R101_50_101 = {"t_blocks": (3, 4, (6, 23), 3)}
R101_50_50 = {"t_blocks": (3, 4, 6, 3)}
CASES = [
    Case("Kinetics__C2D_8x8_R50", "c2d_8x8_r50"),
    Case("Kinetics__I3D_8x8_R50", "i3d_8x8_r50"),
    Case("Kinetics__I3D_8x8_R101", "i3d_8x8_r101"),
    Case("Kinetics__SLOW_4x16_R50", "slow_4x16_r50"),
    Case("Kinetics__SLOW_8x8_R50", "slow_8x8_r50"),
    Case("Kinetics__SLOWFAST_4x16_R50", "slowfast_4x16_r50"),
    Case("Kinetics__SLOWFAST_8x8_R50", "slowfast_8x8_r50"),
    Case("Kinetics__SLOWFAST_8x8_R50_stepwise_multigrid", "slowfast_8x8_r50"),
    Case("Kinetics__c2__SLOWFAST_8x8_R101_101_101", "slowfast_8x8_r101"),
    Case("Kinetics__c2__SLOWFAST_8x8_R101_50_101", "slowfast_8x8_r101", R101_50_101),
    Case("Kinetics__c2__SLOWFAST_8x8_R101_50_50", "slowfast_8x8_r101", R101_50_50),
    Case("Kinetics__c2__SLOWFAST_16x8_R101_50_50", "slowfast_16x8_r101"),
    Case("Charades__SLOWFAST_16x8_R50", "slowfast_8x8_r50"),
    Case("Charades__SLOWFAST_16x8_R50_multigrid", "slowfast_8x8_r50", {"crop": 256}),
    Case("SSv2__SLOWFAST_16x8_R50", "slowfast_8x8_r50"),
    Case("SSv2__SLOWFAST_16x8_R50_multigrid", "slowfast_8x8_r50"),
]


@cache
def read(path: Path) -> dict[str, Any]:
    """The figures of one file; those of a network equal to another's are the other's."""
    return json.loads(path.read_text())


def load_fill(shared: Path) -> ModuleType:
    """The rule that filled the weights of the published outputs."""
    path = shared / FOLDER / "fill.py"
    spec = importlib.util.spec_from_file_location("golden_fill", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class NormCounter:
    """Counts batch norms as fvcore does: two for each element (scale and shift)."""

    def __init__(self, model: nn.Module) -> None:
        self.total = 0
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
                module.register_forward_hook(self.count)

    def count(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        self.total += 2 * output.numel()


def multiply_adds(model: Network, shape: list[int]) -> dict[str, int]:
    """Multiply-adds of a dense test at that input: convolutions and linear layers, attention, batch norms."""
    clip = torch.empty(shape, device="meta")
    norms = NormCounter(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.scores(clip)
    by_operator = {str(k).split(".")[-1]: v // 2 for k, v in counter.get_flop_counts()["Global"].items()}
    attention = by_operator.pop("bmm", 0)
    return {"conv_linear": sum(by_operator.values()), "attention": attention, "batch_norm": norms.total}


def published_multiply_adds(golden: dict[str, Any]) -> dict[str, int]:
    """The same three figures of a file, in single multiply-adds."""
    by_operator = golden["flops_test"]["by_operator"]
    figures = {
        "conv_linear": by_operator["conv"] + by_operator["linear"],
        "attention": by_operator.get("einsum", 0),
        "batch_norm": by_operator["batch_norm"],
    }
    return {k: round(v * 1e9) for k, v in figures.items()}


def need(shared: Path, case: Case) -> dict[str, Any]:
    """The file of a case."""
    path = shared / FOLDER / f"{case.file}.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is absent")
    return read(path)
