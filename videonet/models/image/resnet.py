"""ResNet (He et al. 2015, arXiv 1512.03385): the family on which the others, and most video networks, are built."""

from __future__ import annotations

from functools import partial

from torch import nn

from videonet.layers.nd import Nd
from videonet.layers.shortcut import find_shortcut
from videonet.models.blocks import Basic, Bottleneck
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, stages

DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


def find_depths(depth: int) -> tuple[int, ...]:
    """Blocks of each stage."""
    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth}; a ResNet has one of {', '.join(map(str, DEPTHS))}")
    return DEPTHS[depth]


def strides_of(stem_stride: int, pathway: Pathway) -> list[int]:
    """Strides of the maps of res2 .. res5 when each stage but the first halves the size."""
    return [stem_stride, 2 * stem_stride, 4 * stem_stride, 4 * stem_stride * pathway.stride(3, 2)]


def resnet(
    nd: Nd,
    *,
    depth: int = 50,
    shortcut: str = "B",
    stride_on: str = "spatial",
    time_at: str = "pointwise",
    width: int = 64,
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an ImageNet ResNet.

    depth: 18 and 34 have basic blocks, 50, 101, 152 and 200 bottlenecks (table 1).
    shortcut: "A" zero-padded, "B" projections where the shape changes, "C" everywhere, "D" pooled, "none" a plain net.
    stride_on: "spatial" (the 3x3, as in fb.resnet.torch and torchvision) or "pointwise" (the first 1x1, as released
        by the authors); equal parameters, other multiply-adds and other accuracy.
    time_at: in 3-D, "pointwise" (t x 1 x 1) or "spatial" (t x 3 x 3). width: of res2. drop_path: rate of each branch.
    """
    depths = find_depths(depth)
    stem = Stem(nd, pathway.width(width), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    common = {"shortcut": find_shortcut(shortcut), "drop_path": drop_path}
    if depth < 50:
        block, expansion = partial(Basic, **common), 1
    else:
        block, expansion = partial(Bottleneck, stride_on=stride_on, time_at=time_at, **common), 4
    widths = [pathway.width(width) * 2**i for i in range(4)]
    channels = [inner * expansion for inner in widths]
    parts = stages(nd, block, depths, stem.channels, widths, channels, pathway=pathway)
    return Trunk(nd, stem, parts, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


def cifar_resnet(
    nd: Nd, *, depth: int = 20, shortcut: str = "A", width: int = 16, pathway: Pathway = IMAGE
) -> nn.Module:
    """The trunk of a CIFAR ResNet of 6n + 2 layers (section 4.2): three stages of n basic blocks at strides 1, 2, 4."""
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is {depth}; a CIFAR ResNet has 6n + 2 layers: 20, 32, 44, 56, 110, 1202")
    stem = Stem(
        nd, pathway.width(width), kernel=3, stride=1, t=pathway.stem_t, t_stride=pathway.stem_t_stride, pool=False
    )
    block = partial(Basic, shortcut=find_shortcut(shortcut))
    channels = [pathway.width(width) * 2**i for i in range(3)]
    depths = [(depth - 2) // 6] * 3
    parts = stages(nd, block, depths, stem.channels, channels, channels, pathway=pathway)
    return Trunk(nd, stem, parts, channels, strides=(1, 2, 4), pool_t=pathway.pool_t)


PAPER = "ResNet (He et al. 2015, arXiv 1512.03385, table 1)"
CIFAR = {"input": (3, 32, 32), "num_classes": 10, "head_settings": {"dropout": 0.0}}

VARIANTS = {
    f"resnet{depth}": Variant(resnet, {"depth": depth}, head_settings={"dropout": 0.0}, doc=f"{PAPER}, {depth} layers.")
    for depth in DEPTHS
} | {
    f"cifar_resnet{depth}": Variant(
        cifar_resnet, {"depth": depth}, doc=f"CIFAR ResNet (He et al. 2015, section 4.2), {depth} layers.", **CIFAR
    )
    for depth in (20, 32, 44, 56, 110, 1202)
}
