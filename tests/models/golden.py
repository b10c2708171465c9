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

from videonet.layers.nd import Nd
from videonet.models.heads import Roi
from videonet.models.image import VARIANTS as IMAGES
from videonet.models.network import Network, last_channels
from videonet.models.video import VARIANTS as VIDEOS

NETWORKS = {**IMAGES, **VIDEOS}
FOLDER = "golden/pyslowfast"


@dataclass(frozen=True)
class Case:
    """A file of published figures: the variant here, what it is called with, and its detection head's settings."""

    file: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    sigmoid: bool = False
    boxes: dict[str, Any] | None = None

    def build(self, classes: int, **settings: Any) -> Network:
        """The network in evaluation mode."""
        variant, settings = NETWORKS[self.name], {**self.settings, **settings}
        if self.boxes is None:
            activation = "sigmoid" if self.sigmoid else "softmax"
            return variant(classes, activation=activation, **settings).eval()
        backbone = variant.backbone(**{k: v for k, v in settings.items() if k != "crop"})
        return Network(backbone, Roi(last_channels(backbone), classes, **self.boxes), activation="sigmoid").eval()


SLOWFAST = "slowfast_8x8_r50"
T6_23 = {"t_blocks": (3, 4, (6, 23), 3)}
T6 = {"t_blocks": (3, 4, 6, 3)}
AVA = {"output_stride": 16}
AVA_NLN = {**AVA, **T6, "non_local": {"at": ((), (), (6, 13, 20), ()), "mode": "dot_product", "pool": (2, 2, 2)}}
PTV_EPS = Nd(3, bn_eps=1e-5)
BARE = {"bare_shortcut": True}

CASES = [
    Case("Kinetics__C2D_8x8_R50", "c2d_8x8_r50"),
    Case("Kinetics__C2D_8x8_R50_IN1K", "c2d_8x8_r50"),
    Case("Kinetics__C2D_NLN_8x8_R50", "c2d_nln_8x8_r50"),
    Case("Kinetics__C2D_NLN_8x8_R50_IN1K", "c2d_nln_8x8_r50"),
    Case("Kinetics__I3D_8x8_R50", "i3d_8x8_r50"),
    Case("Kinetics__I3D_8x8_R50_IN1K", "i3d_8x8_r50"),
    Case("Kinetics__I3D_8x8_R101", "i3d_8x8_r101"),
    Case("Kinetics__I3D_NLN_8x8_R50", "i3d_nln_8x8_r50"),
    Case("Kinetics__I3D_NLN_8x8_R50_IN1K", "i3d_nln_8x8_r50"),
    Case("Kinetics__I3D_NLN_8x8_R101", "i3d_nln_8x8_r101"),
    Case("Kinetics__SLOW_4x16_R50", "slow_4x16_r50"),
    Case("Kinetics__SLOW_8x8_R50", "slow_8x8_r50"),
    Case("Kinetics__SLOW_NLN_4x16_R50", "slow_nln_4x16_r50"),
    Case("Kinetics__SLOW_NLN_8x8_R50", "slow_nln_8x8_r50"),
    Case("Kinetics__SLOWFAST_4x16_R50", "slowfast_4x16_r50"),
    Case("Kinetics__SLOWFAST_8x8_R50", SLOWFAST),
    Case("Kinetics__SLOWFAST_8x8_R50_stepwise", SLOWFAST),
    Case("Kinetics__SLOWFAST_8x8_R50_stepwise_multigrid", SLOWFAST),
    Case("Kinetics__SLOWFAST_NLN_4x16_R50", "slowfast_nln_4x16_r50"),
    Case("Kinetics__SLOWFAST_NLN_8x8_R50", "slowfast_nln_8x8_r50"),
    Case("Kinetics__X3D_XS", "x3d_xs"),
    Case("Kinetics__X3D_S", "x3d_s"),
    Case("Kinetics__X3D_M", "x3d_m"),
    Case("Kinetics__X3D_L", "x3d_l"),
    Case("Kinetics__c2__I3D_8x8_R50", "i3d_8x8_r50"),
    Case("Kinetics__c2__I3D_NLN_8x8_R50", "i3d_nln_8x8_r50"),
    Case("Kinetics__c2__SLOW_4x16_R50", "slow_4x16_r50"),
    Case("Kinetics__c2__SLOW_8x8_R50", "slow_8x8_r50"),
    Case("Kinetics__c2__SLOWFAST_4x16_R50", "slowfast_4x16_r50"),
    Case("Kinetics__c2__SLOWFAST_8x8_R50", SLOWFAST),
    Case("Kinetics__c2__SLOWFAST_8x8_R101_101_101", "slowfast_8x8_r101"),
    Case("Kinetics__c2__SLOWFAST_8x8_R101_50_101", "slowfast_8x8_r101", T6_23),
    Case("Kinetics__c2__SLOWFAST_8x8_R101_50_50", "slowfast_8x8_r101", T6),
    Case("Kinetics__c2__SLOWFAST_16x8_R101_50_50", "slowfast_16x8_r101"),
    Case("Kinetics__c2__SLOWFAST_NLN_16x8_R101_50_50", "slowfast_nln_16x8_r101"),
    Case("Charades__SLOWFAST_16x8_R50", SLOWFAST, sigmoid=True),
    Case("Charades__SLOWFAST_16x8_R50_multigrid", SLOWFAST, {"crop": 256}, sigmoid=True),
    Case("SSv2__SLOWFAST_16x8_R50", SLOWFAST),
    Case("SSv2__SLOWFAST_16x8_R50_multigrid", SLOWFAST),
    Case("ImageNet__RES_R50", "resnet50"),
    Case("AVA__SLOW_8x8_R50_SHORT", "slow_4x16_r50", AVA, boxes={}),
    Case("AVA__SLOWFAST_32x2_R50_SHORT", SLOWFAST, AVA, boxes={}),
    Case("AVA__c2__SLOW_8x8_R50", "slow_4x16_r50", AVA, boxes={"aligned": False}),
    Case("AVA__c2__SLOWFAST_32x2_R50", SLOWFAST, AVA, boxes={"aligned": False}),
    Case("AVA__c2__SLOWFAST_32x2_R101_50_50", "slowfast_8x8_r101", AVA_NLN, boxes={"aligned": False}),
    Case("AVA__c2__SLOWFAST_32x2_R101_50_50_v2.1", "slowfast_8x8_r101", AVA_NLN, boxes={"aligned": False}),
    Case("AVA__c2__SLOWFAST_64x2_R101_50_50", "slowfast_16x8_r101", AVA_NLN, boxes={"aligned": False}),
    Case("Kinetics__pytorchvideo__C2D_8x8_R50", "c2d_8x8_r50"),
    Case("Kinetics__pytorchvideo__CSN_32x2_R101", "ir_csn_101", {"nd": PTV_EPS}),
    Case("Kinetics__pytorchvideo__I3D_8x8_R50", "i3d_8x8_r50"),
    Case("Kinetics__pytorchvideo__R2PLUS1D_16x4_R50", "r2plus1d_50"),
    Case("Kinetics__pytorchvideo__SLOW_4x16_R50", "slow_4x16_r50"),
    Case("Kinetics__pytorchvideo__SLOW_8x8_R50", "slow_8x8_r50"),
    Case("Kinetics__pytorchvideo__SLOWFAST_4x16_R50", "slowfast_4x16_r50"),
    Case("Kinetics__pytorchvideo__SLOWFAST_8x8_R50", SLOWFAST),
    Case("Kinetics__pytorchvideo__SLOWFAST_8x8_R101", "slowfast_8x8_r101"),
    Case("Kinetics__pytorchvideo__SLOWFAST_16x8_R101_50_50", "slowfast_16x8_r101"),
    Case("Kinetics__pytorchvideo__X3D_XS", "x3d_xs", BARE),
    Case("Kinetics__pytorchvideo__X3D_S", "x3d_s", BARE),
    Case("Kinetics__pytorchvideo__X3D_M", "x3d_m", BARE),
    Case("Kinetics__pytorchvideo__X3D_L", "x3d_l", BARE),
    Case("Charades__pytorchvideo__SLOW_8x8_R50", "slow_8x8_r50", sigmoid=True),
    Case("Charades__pytorchvideo__SLOWFAST_8x8_R50", SLOWFAST, sigmoid=True),
    Case("SSv2__pytorchvideo__SLOW_8x8_R50", "slow_8x8_r50"),
    Case("SSv2__pytorchvideo__SLOWFAST_8x8_R50", SLOWFAST),
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
    """Multiply-adds of a test at that input: convolutions and linear layers, attention, batch norms."""
    shape = [*shape[:2], *shape[3:]] if getattr(model.backbone, "dims", 3) == 2 else shape
    clip = torch.empty(shape, device="meta")
    boxes = torch.empty(1, 5, device="meta") if isinstance(model.head, Roi) else None
    norms = NormCounter(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.scores(clip, boxes)
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
