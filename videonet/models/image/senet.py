"""SENet (Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv 1709.01507): SE-ResNet, SE-ResNeXt, SENet-154."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from videonet.layers.act import Act, relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.gate import Gate, squeeze_excite
from videonet.layers.nd import Nd
from videonet.layers.shortcut import Shortcut, find_shortcut, projection
from videonet.models.blocks import Basic, Bottleneck, Residual, choose
from videonet.models.image.resnet import find_depths, strides_of
from videonet.models.image.resnext import group_widths
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import DeepStem, Stem, Trunk, stages

POSITIONS = ("standard", "pre", "post", "identity", "3x3")


class Placed(Residual):
    """A residual block whose gate stands elsewhere than on the branch's end (the paper's integration strategies).

    position: "pre" before the branch, "post" behind the sum and its activation, "identity" on the shortcut.
    """

    position = "standard"

    def residual_sum(self, x: torch.Tensor) -> torch.Tensor:
        """branch + shortcut before the last activation."""
        branch = self.drop_path(self.branch(self.gate(x) if self.position == "pre" else x))
        shortcut = self.shortcut(x)
        return branch + (self.gate(shortcut) if self.position == "identity" else shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        x = self.act(self.residual_sum(x))
        return self.context(self.gate(x) if self.position == "post" else x)


class PlacedBasic(Placed, Basic):
    """A basic block with its gate at `position`; `settings` are Basic's."""

    def __init__(
        self, nd: Nd, c_in: int, width: int, c_out: int, *, gate: Gate, position: str, **settings: Any
    ) -> None:
        super().__init__(nd, c_in, width, c_out, **settings)
        if position == "3x3":
            raise ValueError(
                'SE position "3x3" stands behind the middle of a bottleneck, and depths 18 and 34 have none'
            )
        self.position = position
        self.gate = gate(nd, c_in if position == "pre" else c_out)


class RectifiedBasic(Basic):
    """A basic block with a ReLU between its branch and the gate, which timm's SE-ResNet-18 and 34 were trained with."""

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """3x3 - 3x3 - relu."""
        return F.relu(super().branch(x))


class PlacedBottleneck(Placed, Bottleneck):
    """A bottleneck with its gate at `position`; "3x3" is behind the 3x3 and its norm.

    `settings` are Bottleneck's.
    """

    def __init__(
        self, nd: Nd, c_in: int, width: int, c_out: int, *, gate: Gate, position: str, **settings: Any
    ) -> None:
        super().__init__(nd, c_in, width, c_out, **settings)
        self.position = position
        if position == "3x3":
            self.gate2 = gate(nd, width)
        else:
            self.gate = gate(nd, c_in if position == "pre" else c_out)


class Block154(Residual):
    """SENet-154's block: a 1x1 of half the 3x3's width, a grouped 3x3, a 1x1 (the paper's appendix).

    width: of the grouped 3x3. Keys: conv1, bn1, conv2, bn2, conv3, bn3, gate[, shortcut]. Time sits on the first 1x1.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        width: int,
        c_out: int,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        groups: int = 64,
        gate: Gate | None = None,
        act: Act = relu,
        shortcut: Shortcut = projection,
    ) -> None:
        super().__init__(nd, c_in, c_out, stride=stride, t_stride=t_stride, shortcut=shortcut, act=act)
        half = width // 2
        self.conv1 = nd.conv(c_in, half, 1, t=t, t_stride=t_stride)
        self.bn1, self.act1 = nd.norm(half), act(half)
        self.conv2 = nd.conv(half, width, 3, stride, dilation=dilation, groups=groups)
        self.bn2, self.act2 = nd.norm(width), act(width)
        self.conv3 = nd.conv(width, c_out, 1)
        self.bn3 = nd.norm(c_out, zero=True)
        if gate:
            self.gate = gate(nd, c_out)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """1x1 - grouped 3x3 - 1x1."""
        x = self.act2(self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x))))))
        return self.bn3(self.conv3(x))


def wide_projection(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """SENet-154's shortcut: a projection whose kernel is 3 x 3 where it strides."""
    if c_in == c_out and stride == t_stride == 1:
        return None
    return ConvNorm(nd, c_in, c_out, 3 if stride > 1 else 1, stride, t_stride=t_stride)


def se_resnet(
    nd: Nd,
    *,
    depth: int = 50,
    groups: int = 0,
    group_width: int = 4,
    se_ratio: int = 16,
    position: str = "standard",
    rectify: bool = False,
    shortcut: str = "B",
    stride_on: str = "pointwise",
    time_at: str = "pointwise",
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an SE-ResNet, or of an SE-ResNeXt when `groups` is not 0, as the authors released them.

    The stem's max pool has no padding and rounds up, which the released weights need.

    depth: 18, 34, 50, 101, 152 or 200. groups, group_width: cardinality and channels a group in res2 (32 and 4).
    se_ratio: how much narrower the gate's hidden layer is. position: "standard" (on the branch's end), "pre", "post",
    "identity" or "3x3". stride_on: "pointwise" as released for SE-ResNet, "spatial" for SE-ResNeXt.
    rectify: in 18 and 34 layers, a ReLU before the gate, as in timm's weights (the authors released neither depth).
    shortcut, time_at, drop_path: as in `resnet`.
    """
    depths, expansion = find_depths(depth), 1 if depth < 50 else 4
    slots = {"gate": squeeze_excite(se_ratio), "shortcut": find_shortcut(shortcut), "drop_path": drop_path}
    if choose("position", position, POSITIONS) != "standard":
        slots["position"] = position
    widths = [pathway.width(w) for w in (group_widths(groups, group_width, 4) if groups else (64, 128, 256, 512))]
    if depth < 50 and groups:
        raise ValueError(f"depth is {depth} with {groups} groups; an SE-ResNeXt has 50 layers or more")
    if depth < 50:
        kind = PlacedBasic if "position" in slots else RectifiedBasic if rectify else Basic
        blocks = [partial(kind, **slots)] * 4
    else:
        kind = PlacedBottleneck if "position" in slots else Bottleneck
        slots |= {"stride_on": stride_on, "time_at": time_at}
        blocks = [partial(kind, groups=pathway.groups(groups, w) if groups else 1, **slots) for w in widths]
    channels = [pathway.width(64) * expansion * 2**i for i in range(4)]
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    stem.pool = nd.max_pool(3, 2, padding=0, ceil=True)
    body = stages(nd, blocks, depths, stem.channels, widths, channels, pathway=pathway)
    return Trunk(nd, stem, body, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


def senet(nd: Nd, *, depth: int = 154, groups: int = 64, se_ratio: int = 16, pathway: Pathway = IMAGE) -> Trunk:
    """The trunk of SENet-154 (the paper's appendix): three 3x3 in the stem, blocks whose first 1x1 is half as wide
    as their grouped 3x3, 3x3 shortcuts where a stage strides.

    depth: 154 (3, 8, 36, 3 blocks), or 52 and 103 by the same rule. groups: of the 3x3. se_ratio: as in `se_resnet`.
    """
    if depth not in SENETS:
        raise ValueError(f"depth is {depth}; a SENet has one of {', '.join(map(str, SENETS))}")
    widths = [pathway.width(128) * 2 * 2**i for i in range(4)]
    slots = {"gate": squeeze_excite(se_ratio), "shortcut": wide_projection}
    blocks = [partial(Block154, groups=pathway.groups(groups, w // 2), **slots) for w in widths]
    stem_widths = [pathway.width(w) for w in (64, 64, 128)]
    stem = DeepStem(nd, stem_widths, t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    stem.pool = nd.max_pool(3, 2, padding=0, ceil=True)
    body = stages(nd, blocks, SENETS[depth], stem.channels, widths, widths, pathway=pathway)
    return Trunk(nd, stem, body, widths, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


SENETS = {52: (3, 4, 6, 3), 103: (3, 4, 23, 3), 154: (3, 8, 36, 3)}
PAPER = "(Hu et al. 2018, arXiv 1709.01507, table 1)"


def _resnext(depth: int) -> Variant:
    settings = {"depth": depth, "groups": 32, "group_width": 4, "stride_on": "spatial"}
    doc = f"SE-ResNeXt {PAPER}, {depth} layers, 32 groups of 4 channels."
    return Variant(se_resnet, settings, head_settings={"dropout": 0.0}, doc=doc)


VARIANTS = {
    f"se_resnet{depth}": Variant(
        se_resnet,
        {"depth": depth, "rectify": depth < 50},
        head_settings={"dropout": 0.0},
        doc=f"SE-ResNet {PAPER}, {depth} layers.",
    )
    for depth in (18, 34, 50, 101, 152)
} | {
    "se_resnext50_32x4d": _resnext(50),
    "se_resnext101_32x4d": _resnext(101),
    "senet154": Variant(
        senet, head_settings={"dropout": 0.2}, doc="SENet-154 (Hu et al. 2018, arXiv 1709.01507, appendix)."
    ),
}
