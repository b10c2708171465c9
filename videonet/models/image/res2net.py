"""Res2Net and its kin (Gao et al. 2019, arXiv 1904.01169): several scales of receptive field inside each block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from videonet.layers.gate import squeeze_excite
from videonet.layers.hierarchical_split import HierarchicalSplit
from videonet.layers.nd import Nd
from videonet.layers.shortcut import find_shortcut
from videonet.models.blocks import Bottleneck, choose
from videonet.models.image.resnet import CIFAR, find_depths, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import DeepStem, Stem, Trunk, stages

STEMS = ("plain", "deep")
Block = Callable[..., nn.Module]


def split_blocks(
    parts: Sequence[int], pathway: Pathway, *, scale: int, groups: int, pooled: bool = True, **settings: object
) -> tuple[list[int], list[Block], list[Block]]:
    """Widths of the bottlenecks, the stages' blocks and their first blocks, from the width of a part in each stage.

    settings: those of `Bottleneck`.
    """
    parts = [pathway.width(part) for part in parts]
    mixes = [partial(HierarchicalSplit, scale=scale, groups=pathway.groups(groups, part)) for part in parts]
    blocks = [partial(Bottleneck, mix=mix, **settings) for mix in mixes]
    first_blocks = [partial(Bottleneck, mix=partial(mix, first=True, pooled=pooled), **settings) for mix in mixes]
    return [part * scale for part in parts], blocks, first_blocks


def res2net(
    nd: Nd,
    *,
    depth: int = 50,
    part: int = 26,
    scale: int = 4,
    groups: int = 1,
    se: bool = False,
    stem: str = "plain",
    shortcut: str = "B",
    time_at: str = "pointwise",
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an ImageNet Res2Net.

    depth: 50, 101, 152 (or another of a bottleneck ResNet). part: width w of a part in res2, for each group;
    scale: number s of parts. groups: cardinality c (Res2NeXt-50: 4w 4s 8c).
    se: squeeze and excitation, ratio 16, at the end of each branch.
    stem, shortcut: "plain" and "B"; "deep" (three 3x3) and "D" (pooled) make a Res2Net-v1b.
    time_at: in 3-D, "pointwise" (t x 1 x 1) or "spatial" (every part t x 3 x 3). drop_path: rate of each branch.
    """
    depths = find_depths(depth)
    parts = [part * 2**i * groups for i in range(4)]
    planes = [pathway.width(64) * 2**i for i in range(4)]
    widths, blocks, first_blocks = split_blocks(
        parts,
        pathway,
        scale=scale,
        groups=groups,
        gate=squeeze_excite(16) if se else None,
        shortcut=find_shortcut(shortcut),
        time_at=time_at,
        drop_path=drop_path,
    )
    time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    if choose("stem", stem, STEMS) == "deep":
        entry = DeepStem(nd, (planes[0] // 2, planes[0] // 2, planes[0]), **time)
    else:
        entry = Stem(nd, planes[0], **time)
    channels = [4 * c for c in planes]
    row = stages(nd, blocks, depths, entry.channels, widths, channels, first_blocks=first_blocks, pathway=pathway)
    return Trunk(nd, entry, row, channels, strides=strides_of(entry.stride, pathway), pool_t=pathway.pool_t)


def cifar_res2net(
    nd: Nd,
    *,
    depth: int = 29,
    part: int = 24,
    scale: int = 4,
    groups: int = 6,
    se: bool = False,
    pooled: bool = False,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a CIFAR Res2NeXt of 9n + 2 layers (section 4.3): three stages of n bottlenecks at strides 1, 2, 4.

    groups, part, scale: 6c 24w 4s, 8c 25w 4s, 6c 24w 6s in table 6. pooled: True passes the last part of a stage's
    first block through a pool, as the ImageNet networks do; the published sizes have it convolved.
    """
    if depth < 11 or (depth - 2) % 9:
        raise ValueError(f"depth is {depth}; a CIFAR Res2NeXt has 9n + 2 layers, as 29")
    stem = Stem(nd, pathway.width(64), kernel=3, stride=1, t=pathway.stem_t, t_stride=pathway.stem_t_stride, pool=False)
    widths, blocks, first_blocks = split_blocks(
        [part * 2**i * groups for i in range(3)],
        pathway,
        scale=scale,
        groups=groups,
        pooled=pooled,
        gate=squeeze_excite(16) if se else None,
    )
    channels = [4 * pathway.width(64) * 2**i for i in range(3)]
    depths = [(depth - 2) // 9] * 3
    row = stages(nd, blocks, depths, stem.channels, widths, channels, first_blocks=first_blocks, pathway=pathway)
    return Trunk(nd, stem, row, channels, strides=(1, 2, 4), pool_t=pathway.pool_t)


PAPER = "Res2Net (Gao et al. 2019, arXiv 1904.01169)"


def _variant(doc: str, **settings: object) -> Variant:
    return Variant(res2net, settings, head_settings={"dropout": 0.0}, doc=f"{PAPER}, {doc}.")


V1B = {"stem": "deep", "shortcut": "D"}

VARIANTS = {
    f"res2net50_{part}w_{scale}s": _variant(f"50 layers, {scale} parts of {part}", part=part, scale=scale)
    for part, scale in ((48, 2), (26, 4), (14, 8), (26, 6), (26, 8), (18, 4))
} | {
    "res2net101_26w_4s": _variant("101 layers, 4 parts of 26", depth=101),
    "res2net152_26w_4s": _variant("152 layers, 4 parts of 26", depth=152),
    "res2next50": _variant("Res2NeXt-50: 4 parts of 4 channels in 8 groups", part=4, groups=8),
    "se_res2net50_26w_4s": _variant("50 layers with squeeze and excitation", se=True),
    "res2net50_v1b_26w_4s": _variant("v1b as released: 50 layers, deep stem, pooled shortcuts", **V1B),
    "res2net101_v1b_26w_4s": _variant("v1b as released: 101 layers, deep stem, pooled shortcuts", depth=101, **V1B),
    "cifar_res2next29_6c_24w_4s": Variant(
        cifar_res2net, doc=f"{PAPER}, section 4.3: CIFAR, 29 layers, 4 parts of 24 channels in 6 groups.", **CIFAR
    ),
}
