"""Pre-activation ResNet (He et al. 2016, "Identity Mappings in Deep Residual Networks", arXiv 1603.05027)."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from videonet.layers.gate import squeeze_excite
from videonet.layers.nd import Nd
from videonet.layers.norm_act import NormAct
from videonet.models.image.resnet import CIFAR, DEPTHS, find_depths, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.preact_block import PreActBasic, PreActBottleneck, find_preact_shortcut
from videonet.models.trunk import Stem, Trunk, stages


class PlainStem(nn.Module):
    """One t x 3 x 3 convolution without norm or activation: the blocks bring theirs. Keys: conv."""

    def __init__(self, nd: Nd, channels: int, *, t: int = 1, t_stride: int = 1) -> None:
        super().__init__()
        self.conv = nd.conv(3, channels, 3, t=t, t_stride=t_stride)
        self.channels = channels
        self.stride = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, [T,] H, W) -> (B, channels, [T,] H, W)."""
        return self.conv(x)


def preact_resnet(
    nd: Nd,
    *,
    depth: int = 200,
    shortcut: str = "B",
    stride_on: str = "spatial",
    time_at: str = "pointwise",
    width: int = 64,
    se_ratio: int = 0,
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an ImageNet pre-activation ResNet, as released in fb.resnet.torch.

    The stem ends with norm and activation, so the first block has none; the maps of res2 .. res4 are sums that nothing
    has activated, that of res5 is closed by a norm and an activation.

    depth: 18 and 34 have basic blocks, 50, 101, 152 and 200 bottlenecks. shortcut: "A" zero-padded, "B" 1x1
    convolutions (no norm) where the shape changes, "C" everywhere. stride_on, time_at, width, drop_path: as in
    `resnet`. se_ratio: a squeeze-and-excitation with that ratio on each branch; 0 for none.
    """
    depths, expansion = find_depths(depth), 1 if depth < 50 else 4
    slots = _slots(shortcut, se_ratio, drop_path)
    block = partial(PreActBasic, **slots) if depth < 50 else _bottleneck(slots, stride_on, time_at)
    stem = Stem(nd, pathway.width(width), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    widths = [pathway.width(width) * 2**i for i in range(4)]
    channels = [w * expansion for w in widths]
    first = (partial(block, entry="plain"), None, None, None)
    body = stages(nd, block, depths, stem.channels, widths, channels, first_blocks=first, pathway=pathway)
    strides, end = strides_of(stem.stride, pathway), NormAct(nd, channels[-1])
    return Trunk(nd, stem, body, channels, strides=strides, pool_t=pathway.pool_t, end=end)


def cifar_preact_resnet(
    nd: Nd,
    *,
    depth: int = 164,
    bottleneck: bool = True,
    shortcut: str = "B",
    stride_on: str = "pointwise",
    time_at: str = "pointwise",
    width: int = 16,
    se_ratio: int = 0,
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a CIFAR pre-activation ResNet (section 4): three stages at strides 1, 2, 4.

    depth: 9n + 2 layers with bottlenecks (164, 1001), 6n + 2 without (110). Other arguments as in `preact_resnet`; the
    authors' bottlenecks stride on the first 1x1.
    """
    layers, example = (9, "164, 1001") if bottleneck else (6, "20, 56, 110")
    if depth < layers + 2 or (depth - 2) % layers:
        kind = "bottlenecks" if bottleneck else "basic blocks"
        raise ValueError(
            f"depth is {depth}; a CIFAR pre-activation ResNet of {kind} has {layers}n + 2 layers: {example}"
        )
    slots = _slots(shortcut, se_ratio, drop_path)
    block = _bottleneck(slots, stride_on, time_at) if bottleneck else partial(PreActBasic, **slots)
    stem = PlainStem(nd, pathway.width(width), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    widths = [pathway.width(width) * 2**i for i in range(3)]
    channels = [w * (4 if bottleneck else 1) for w in widths]
    first = (partial(block, entry="shared"),) * 3
    depths = ((depth - 2) // layers,) * 3
    body = stages(nd, block, depths, stem.channels, widths, channels, first_blocks=first, pathway=pathway)
    return Trunk(nd, stem, body, channels, strides=(1, 2, 4), pool_t=pathway.pool_t, end=NormAct(nd, channels[-1]))


def _slots(shortcut: str, se_ratio: int, drop_path: float) -> dict:
    gate = squeeze_excite(se_ratio) if se_ratio else None
    return {"shortcut": find_preact_shortcut(shortcut), "gate": gate, "drop_path": drop_path}


def _bottleneck(slots: dict, stride_on: str, time_at: str) -> partial:
    return partial(PreActBottleneck, stride_on=stride_on, time_at=time_at, **slots)


def _cifar(depth: int, bottleneck: bool, shortcut: str) -> Variant:
    settings = {"depth": depth, "bottleneck": bottleneck, "shortcut": shortcut}
    doc = f"CIFAR pre-activation ResNet (He et al. 2016, arXiv 1603.05027, section 4), {depth} layers."
    return Variant(cifar_preact_resnet, settings, doc=doc, **CIFAR)


VARIANTS = {
    f"preact_resnet{depth}": Variant(
        preact_resnet,
        {"depth": depth},
        head_settings={"dropout": 0.0},
        doc=f"Pre-activation ResNet (He et al. 2016, arXiv 1603.05027, section 4), {depth} layers.",
    )
    for depth in DEPTHS
} | {
    "cifar_preact_resnet110": _cifar(110, False, "A"),
    "cifar_preact_resnet164": _cifar(164, True, "B"),
    "cifar_preact_resnet1001": _cifar(1001, True, "B"),
}
