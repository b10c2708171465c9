"""SKNet (Li et al. 2019, arXiv 1903.06586): bottlenecks that choose their receptive field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from videonet.layers.nd import Nd
from videonet.layers.selective_kernel import SelectiveKernel
from videonet.models.blocks import Bottleneck
from videonet.models.image.resnet import CIFAR, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, stages

DEPTHS = {26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
CAFFE = Nd(2, init="fan_in", bn_momentum=0.05)


def selective_blocks(widths: Sequence[int], pathway: Pathway, kernel: Mapping[str, int], **settings: object) -> list:
    """The bottlenecks of each stage. kernel: branches, groups, ratio of `SelectiveKernel`; settings: `Bottleneck`'s."""
    blocks = []
    for width in widths:
        groups = pathway.groups(kernel["groups"], width)
        mix = partial(SelectiveKernel, **{**kernel, "groups": groups, "least": pathway.width(32)})
        blocks.append(partial(Bottleneck, mix=mix, **settings))
    return blocks


def sknet(
    nd: Nd,
    *,
    depth: int = 50,
    branches: int = 2,
    groups: int = 32,
    ratio: int = 16,
    width: int = 128,
    time_at: str = "pointwise",
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an ImageNet SKNet (table 1): SK[branches, groups, ratio] in the bottlenecks of a ResNeXt.

    depth: 26, 50 or 101. branches: 3x3, 5x5, 7x7 ... (2 as published, 3 in table 7). groups: of every branch.
    ratio: of the squeeze, which keeps at least 32 channels. width: inside the bottlenecks of res2.
    time_at: in 3-D, "pointwise" (t x 1 x 1) or "spatial" (every branch t x 3 x 3). drop_path: rate of each branch.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth}; an SKNet has one of {', '.join(map(str, DEPTHS))}")
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    inner = [pathway.width(width) * 2**i for i in range(4)]
    channels = [2 * c for c in inner]
    kernel = {"branches": branches, "groups": groups, "ratio": ratio}
    blocks = selective_blocks(inner, pathway, kernel, time_at=time_at, drop_path=drop_path)
    row = stages(nd, blocks, DEPTHS[depth], stem.channels, inner, channels, pathway=pathway)
    return Trunk(nd, stem, row, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


def cifar_sknet(
    nd: Nd,
    *,
    depth: int = 29,
    branches: int = 2,
    groups: int = 32,
    ratio: int = 16,
    width: int = 512,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a CIFAR SKNet of 9n + 2 layers (section 4.2): the shape of a ResNeXt-29, 16x32d.

    width: inside the bottlenecks of res2. Other arguments: see `sknet`. The published 27.7 M parameters follow from no
    setting that the paper names; these defaults give 28.3 M.
    """
    if depth < 11 or (depth - 2) % 9:
        raise ValueError(f"depth is {depth}; a CIFAR SKNet has 9n + 2 layers, 29 as published")
    time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    stem = Stem(nd, pathway.width(64), kernel=3, stride=1, pool=False, **time)
    inner = [pathway.width(width) * 2**i for i in range(3)]
    channels = [4 * pathway.width(64) * 2**i for i in range(3)]
    blocks = selective_blocks(inner, pathway, {"branches": branches, "groups": groups, "ratio": ratio})
    row = stages(nd, blocks, [(depth - 2) // 9] * 3, stem.channels, inner, channels, pathway=pathway)
    return Trunk(nd, stem, row, channels, strides=(1, 2, 4), pool_t=pathway.pool_t)


VARIANTS = {
    f"sknet{depth}": Variant(
        sknet,
        {"depth": depth},
        head_settings={"dropout": 0.0},
        nd=CAFFE,
        doc=f"SKNet (Li et al. 2019, arXiv 1903.06586, table 1), {depth} layers.",
    )
    for depth in DEPTHS
} | {
    "cifar_sknet29": Variant(
        cifar_sknet, nd=CAFFE, doc="CIFAR SKNet (Li et al. 2019, arXiv 1903.06586, section 4.2), 29 layers.", **CIFAR
    )
}
