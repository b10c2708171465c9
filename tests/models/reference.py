"""Reference figures of image networks, and the checks that every family's tests share."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path

import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.count import count_macs, count_params
from videonet.models.network import Variant
from videonet.models.video.resnet3d import resnet3d
from videonet.models.video.slowfast import slowfast

Shapes = Counter[tuple[int, ...]]


@cache
def read(path: Path) -> dict:
    """A file of reference figures."""
    return json.loads(path.read_text())


def strip(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its trailing ones: a linear layer and a 1x1 convolution hold the same weights."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def shapes(model: nn.Module) -> Shapes:
    """How often the network's state has a tensor of each shape."""
    return Counter(strip(tuple(tensor.shape)) for tensor in model.state_dict().values())


def reference_shapes(shared: Path, key: str) -> Shapes:
    """How often the reference network's state has a tensor of each shape."""
    state = read(shared / "golden/image_reference_keys.json")[key]["state_dict"]
    return Counter(strip(tuple(shape)) for shape in state.values())


def build(variant: Variant, *arguments: object, **settings: object) -> nn.Module:
    """The network on the meta device: shapes without memory or time."""
    with torch.device("meta"):
        return variant(*arguments, **settings).eval()


def check_counts(shared: Path, model: nn.Module, key: str, input_size: tuple[int, ...] = (3, 224, 224)) -> None:
    """Parameters equal the reference's, multiply-adds within 0.1 %."""
    figures = read(shared / "golden/image_counts.json")["models"][key]
    assert count_params(model) == figures["params"]
    gmacs = count_macs(model, input_size).total / 1e9
    assert abs(gmacs / figures["gmacs_conv_linear"] - 1) < 1e-3


def check_video(name: str, variant: Variant) -> None:
    """The family as a Slow network and as both pathways of SlowFast: its keys, its channels and its strides hold."""
    with torch.device("meta"):
        image = variant.backbone()
        slow = resnet3d(Nd(3), family=name, t=(1, 1, 3, 3)).eval()
        joined = [slowfast(Nd(3), family=name, fusion=fusion).eval() for fusion in ("concat", "sum")]
        clip = torch.empty(1, 3, 8, 65, 47)
    assert list(slow.state_dict()) == list(image.state_dict())
    maps = slow(clip)
    assert [m.shape[1] for m in maps] == slow.channels == image.channels
    assert [tuple(m.shape[2:]) for m in maps] == [(8, -(-65 // s), -(-47 // s)) for s in slow.strides]
    for network in joined:
        for (first, second), channels in zip(network(clip), network.channels):
            assert [first.shape[1], second.shape[1]] == channels
            assert (first.shape[2], second.shape[2]) == (2, 8)
            assert first.shape[3:] == second.shape[3:]
