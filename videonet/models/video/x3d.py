"""X3D (Feichtenhofer 2020, arXiv 2004.04730): a small image network expanded along space, time, width and depth."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from videonet.layers.act import relu, silu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.gate import squeeze_excite_rounded
from videonet.layers.nd import Nd, round_channels
from videonet.layers.shortcut import projection
from videonet.models.blocks import Bottleneck
from videonet.models.heads import Projected
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Trunk, stages
from videonet.models.video.resnet3d import VIDEO

DEPTHS = (1, 2, 5, 3)
CLIP = Pathway(stem_t=5, t=(3, 3, 3, 3))


class X3DStem(nn.Module):
    """1 x 3 x 3 / 2, then a depthwise t x 1 x 1, norm, ReLU (table 1, conv1). Keys: conv_xy, conv_t, bn."""

    def __init__(self, nd: Nd, channels: int, *, t: int, t_stride: int = 1) -> None:
        super().__init__()
        self.conv_xy = nd.conv(3, channels, 3, 2)
        self.conv_t = nd.conv(channels, channels, 1, t=t, t_stride=t_stride, groups=channels)
        self.bn = nd.norm(channels)
        self.act = relu(channels)
        self.channels, self.stride = channels, 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, [T,] H, W) -> (B, channels, [T,] H / 2, W / 2)."""
        return self.act(self.bn(self.conv_t(self.conv_xy(x))))


def bare_projection(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """A projection whose norm is left out where the channels stay (pytorchvideo's X3D, first block of res2)."""
    shortcut = projection(nd, c_in, c_out, stride, t_stride)
    if shortcut is not None and c_in == c_out:
        shortcut.bn = nn.Identity()
    return shortcut


def x3d(
    nd: Nd = VIDEO,
    *,
    width: float = 2.0,
    depth: float = 2.2,
    bottleneck: float = 2.25,
    base_width: int = 12,
    se_ratio: float = 0.0625,
    bare_shortcut: bool = False,
    output_stride: int = 32,
    pathway: Pathway | None = None,
) -> Trunk:
    """The backbone of X3D (table 1), whose last map is conv5's.

    width, depth, bottleneck: the expansion factors (2.0, 2.2, 2.25 of M; table 4). base_width: channels of the stem
    before expansion. se_ratio: of the squeeze-and-excitation in every other block; 0 for none.
    bare_shortcut: no norm on a shortcut that keeps its channels, as in pytorchvideo's files.
    output_stride: 32, or 16 for detection.
    """
    pathway = pathway or replace(CLIP if nd.dims == 3 else IMAGE, output_stride=output_stride)
    base = [base_width]
    for _ in DEPTHS[1:]:
        base.append(round_channels(base[-1] * 2.0))
    channels = [pathway.width(round_channels(c * width)) for c in base]
    inner = [int(c * bottleneck) for c in channels]
    depths = [math.ceil(d * depth) for d in DEPTHS]
    stem = X3DStem(nd, channels[0], t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    shortcut = bare_projection if bare_shortcut else projection
    blocks = [partial(Bottleneck, groups=c, time_at="spatial", act2=silu, shortcut=shortcut) for c in inner]
    row = stages(nd, blocks, depths, stem.channels, inner, channels, strides=(2, 2, 2, 2), pathway=pathway)
    if se_ratio:
        add_gates(nd, row, inner, se_ratio)
    strides = [4, 8, 16, 16 * pathway.stride(3, 2)]
    end = ConvNorm(nd, channels[-1], inner[-1], act=relu)
    return Trunk(nd, stem, row, [*channels[:-1], inner[-1]], strides=strides, pool_t=pathway.pool_t, end=end)


def add_gates(nd: Nd, row: list[nn.Sequential], inner: list[int], ratio: float) -> None:
    """A squeeze-and-excitation in blocks 0, 2, 4 ... of each stage, between bn2 and its activation (section 3.1)."""
    gate = squeeze_excite_rounded(ratio)
    for stage, c in zip(row, inner):
        for block in stage[::2]:
            block.gate2 = gate(nd, c)


def _variant(name: str, frames: int, crop: int, **settings: float) -> Variant:
    doc = f"X3D-{name} (Feichtenhofer 2020, table 4)."
    return Variant(x3d, settings, head=Projected, nd=VIDEO, input=(3, frames, crop, crop), num_classes=400, doc=doc)


VARIANTS = {
    "x3d_xs": _variant("XS", 4, 160),
    "x3d_s": _variant("S", 13, 160),
    "x3d_m": _variant("M", 16, 224),
    "x3d_l": _variant("L", 16, 312, depth=5.0),
    "x3d_xl": _variant("XL", 16, 312, width=2.9, depth=5.0),
}

FAMILIES = {
    "x3d": Variant(x3d, head=Projected, nd=VIDEO, input=(3, 16, 224, 224), num_classes=400, doc="X3D by its factors.")
}
