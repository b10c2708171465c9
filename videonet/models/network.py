"""Network: a backbone and a head; Variant: a network that has a name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.heads import Classify
from videonet.models.pathway import Pathway

ACTIVATIONS = {"softmax": lambda x: x.softmax(-1), "sigmoid": torch.sigmoid}


class Network(nn.Module):
    """What is trained and tested: one tensor in, logits out. Keys: `backbone`, `head`.

    backbone: gives a list of maps, one a stage; an item is a tensor or a list of tensors, one a pathway.
    activation: "softmax" (one label a clip) or "sigmoid" (several), for `scores`.
    window: side of the last map at the training crop (7 for 224 pixels and stride 32): what `scores` slides over
        larger maps.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, *, activation: str = "softmax", window: int = 7) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}; it must be one of {', '.join(ACTIVATIONS)}")
        self.backbone = backbone
        self.head = head
        self.activation = activation
        self.window = window

    def pathways(self, clip: torch.Tensor) -> list[torch.Tensor]:
        """The last map of every pathway."""
        last = self.backbone(clip)[-1]
        return last if isinstance(last, list) else [last]

    def forward(self, clip: torch.Tensor, boxes: torch.Tensor | None = None) -> torch.Tensor:
        """(B, 3, [T,] H, W) -> logits (B, classes), or (N, classes) of boxes (N, 5) [item, corners in pixels]."""
        pathways = self.pathways(clip)
        return self.head(pathways) if boxes is None else self.head(pathways, boxes)

    def scores(self, clip: torch.Tensor, boxes: torch.Tensor | None = None) -> torch.Tensor:
        """Probabilities as published tests compute them, (B, classes) or (N, classes).

        At a crop larger than the training crop the head slides over the map; the probabilities of all positions are
        averaged, not their logits (SlowFast, section 4.1).
        """
        activate = ACTIVATIONS[self.activation]
        pathways = self.pathways(clip)
        if boxes is not None:
            return activate(self.head(pathways, boxes).float())
        return activate(self.head.dense(pathways, self.window).float()).mean(1)


@dataclass(frozen=True)
class Variant:
    """A named network of a family: calling it builds the network.

    build: the family's function (nd, *, pathway, ...) -> backbone; settings: its arguments for this name.
    head: (channels of the pathways, num_classes, dropout=, ...) -> head; head_settings: for this name.
    nd: the factory the family was published with. input: size the multiply-adds are stated for, without the batch.
    doc: paper and section.
    """

    build: Callable[..., nn.Module]
    settings: Mapping[str, Any] = field(default_factory=dict)
    head: Callable[..., nn.Module] = Classify
    head_settings: Mapping[str, Any] = field(default_factory=dict)
    nd: Nd = Nd(2, init="fan_out")
    input: tuple[int, ...] = (3, 224, 224)
    num_classes: int = 1000
    doc: str = ""

    def __post_init__(self) -> None:
        arguments = "Arguments: num_classes (None: the backbone alone), norm, nd, dropout, crop, and the family's:"
        doc = f"{self.doc}\n\n{arguments}\n\n{inspect.getdoc(self.build) or ''}"
        object.__setattr__(self, "__doc__", doc)  # what help() shows of a named network

    @property
    def dims(self) -> int:
        """2 for an image network, 3 for a video network."""
        return self.nd.dims

    def backbone(self, nd: Nd | None = None, *, pathway: Pathway | None = None, **settings: Any) -> nn.Module:
        """The family's backbone with this name's settings; `settings` are arguments of `build`."""
        arguments = {**self.settings, **settings}
        if pathway is not None:
            arguments["pathway"] = pathway
        return self.build(nd or self.nd, **arguments)

    def __call__(
        self,
        num_classes: int | str | None = "published",
        *,
        norm: str | None = None,
        nd: Nd | None = None,
        dropout: float | None = None,
        crop: int | None = None,
        activation: str = "softmax",
        **settings: Any,
    ) -> nn.Module:
        """The network with `num_classes` outputs, "published" for as many as it has there; None: the backbone alone.

        norm: "batch" or "group", in place of the published one. nd: a factory in place of `self.nd`.
        crop: side of the training crop, where it is not the published one (see `Network.window`).
        """
        check_classes(num_classes)
        nd = nd or self.nd
        backbone = self.backbone(replace(nd, norm_policy=norm) if norm else nd, **settings)
        if num_classes is None:
            return backbone
        if num_classes == "published":
            num_classes = self.num_classes
        head_settings = dict(self.head_settings) if dropout is None else {**self.head_settings, "dropout": dropout}
        if "norm" in head_settings:  # a head that normalises has the network's norm
            head_settings["norm"] = norm or nd.norm_policy
        head = self.head(last_channels(backbone), num_classes, **head_settings)
        return Network(backbone, head, activation=activation, window=window_of(backbone, crop or self.input[-1]))


def check_classes(num_classes: int | str | None) -> None:
    """ValueError for what is no number of classes, such as the 0 that means the backbone elsewhere."""
    if num_classes in (None, "published"):
        return
    if not isinstance(num_classes, Integral) or num_classes < 1:
        raise ValueError(
            f"num_classes is {num_classes!r}; it must be 1 or more, None for the backbone alone, or 'published'"
        )


def window_of(backbone: nn.Module, crop: int) -> int:
    """Side of the last map of a crop of that many pixels."""
    return math.ceil(crop / backbone.strides[-1])


def last_channels(backbone: nn.Module) -> list[int]:
    """The channels of each pathway's last map."""
    last = backbone.channels[-1]
    return list(last) if isinstance(last, (list, tuple)) else [last]
