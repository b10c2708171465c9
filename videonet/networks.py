"""The networks that have a name: which there are, how one is made, and what it costs."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from videonet.models import image, video
from videonet.models.count import count_macs, count_params, takes_boxes
from videonet.models.network import Network, Variant
from videonet.suggest import suggest

NETWORKS: dict[str, Variant] = {**image.VARIANTS, **video.VARIANTS}
FAMILIES: dict[str, Variant] = {**image.FAMILIES, **video.FAMILIES}
VARIANTS: dict[str, Variant] = {**FAMILIES, **NETWORKS}


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks that `create` knows, by a pattern such as "sknet*"."""
    return sorted(fnmatch.filter(NETWORKS, pattern))


def find_network(name: str) -> Variant:
    """The network of that name."""
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}{suggest(name, NETWORKS)} (list_models() names them all)")
    return NETWORKS[name]


def create(name: str, num_classes: int | str | None = "published", **settings: Any) -> nn.Module:
    """A network by name: `create("slowfast_8x8_r50", num_classes=400)`; None gives the backbone alone.

    settings: `norm`, `nd`, `dropout`, `crop`, `activation`, and the arguments of the family (`Variant.__call__`).
    """
    return find_network(name)(num_classes, **settings)


def describe(name: str, size: int | None = None) -> dict:
    """name, params, gmacs, input and stages of a named network, at its published input or a square of `size`."""
    variant = find_network(name)
    with torch.device("meta"):
        model = variant()
    return {"name": name, **measure(model, resize(variant.input, size))}


def resize(input_size: Sequence[int], side: int | None) -> list[int]:
    """An input size with another side."""
    return [*input_size[:-2], side, side] if side else list(input_size)


def measure(model: nn.Module, input_size: Sequence[int]) -> dict:
    """params, gmacs (conv + linear, one multiply-add is 1), input and stages of a network on the meta device.

    boxes: how many of them are scored in gmacs: 1 by a detection network, else 0.
    """
    macs = count_macs(model, input_size)
    parts = [("", model.backbone), ("", model)] if isinstance(model, Network) else [("", model)]
    modules = {name: module for _, parent in parts for name, module in parent.named_modules()}
    stages = [
        {"name": name, "params": count_params(modules[name]), "gmacs": value / 1e9}
        for name, value in macs.stages.items()
    ]
    about = {"params": count_params(model), "gmacs": macs.total / 1e9, "input": list(input_size)}
    return {**about, "boxes": int(takes_boxes(model)), "stages": stages}
