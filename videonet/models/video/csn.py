"""CSN (Tran et al. 2019, "Video Classification with Channel-Separated Convolutional Networks", arXiv 1904.02811)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.nd import Nd
from videonet.models.blocks import Bottleneck, choose
from videonet.models.image.resnet import find_depths, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, stages

RELEASED = Nd(3, bn_eps=1e-3, init="fan_in")
CLIP = Pathway(stem_t=3, t=(3, 3, 3, 3), t_strides=(1, 2, 2, 2))
KINDS = ("reduced", "preserved")


class PreservedMix(nn.Module):
    """1x1 - norm - depthwise t x 3 x 3 - norm - ReLU in place of a 3x3 (ip-CSN, figure 2b).

    Keys: conv1, bn1, conv2, bn2. The 1x1 keeps the interactions between channels that depthwise convolutions lose.
    """

    def __init__(
        self, nd: Nd, width: int, *, stride: int = 1, t: int = 1, t_stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = nd.conv(width, width, 1), nd.norm(width)
        self.conv2 = nd.conv(width, width, 3, stride, t=t, t_stride=t_stride, dilation=dilation, groups=width)
        self.bn2, self.act = nd.norm(width), relu(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width, [T,] H, W) -> the same, strided."""
        return self.act(self.bn2(self.conv2(self.bn1(self.conv1(x)))))


def csn(
    nd: Nd = RELEASED,
    *,
    depth: int = 152,
    interactions: str = "preserved",
    output_stride: int = 32,
    scale: float = 1.0,
    pathway: Pathway | None = None,
) -> Trunk:
    """The backbone of a CSN: a ResNet whose 3x3 convolutions are depthwise t x 3 x 3.

    depth: 50, 101 or 152. interactions: between channels, "reduced" (ir-CSN) or "preserved" by a 1x1 before each
    depthwise convolution (ip-CSN). output_stride: 32, or 16 for detection. scale: multiplies every width.
    """
    if depth < 50:
        raise ValueError(f"depth is {depth}; a CSN has bottlenecks, so 50, 101, 152 or 200")
    preserved = choose("interactions", interactions, KINDS) == "preserved"
    pathway = pathway or replace(CLIP if nd.dims == 3 else IMAGE, output_stride=output_stride, scale=scale)
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    inner = [pathway.width(64) * 2**i for i in range(4)]
    channels = [4 * c for c in inner]
    mix = PreservedMix if preserved else None
    blocks = [partial(Bottleneck, groups=c, mix=mix, time_at="spatial") for c in inner]
    row = stages(nd, blocks, find_depths(depth), stem.channels, inner, channels, pathway=pathway)
    return Trunk(nd, stem, row, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


def _variant(interactions: str, depth: int) -> Variant:
    doc = f"{'ip' if interactions == 'preserved' else 'ir'}-CSN-{depth} (Tran et al. 2019, table 2)."
    settings = {"depth": depth, "interactions": interactions}
    return Variant(csn, settings, nd=RELEASED, input=(3, 32, 224, 224), num_classes=400, doc=doc)


VARIANTS = {
    f"{short}_csn_{depth}": _variant(interactions, depth)
    for short, interactions in (("ir", "reduced"), ("ip", "preserved"))
    for depth in (50, 101, 152)
}

FAMILIES = {
    "csn": Variant(csn, nd=RELEASED, input=(3, 32, 224, 224), num_classes=400, doc="CSN (Tran et al. 2019, table 1).")
}
