"""Res2Net-DLA (Gao et al. 2019, arXiv 1904.01169, table 3): Res2Net blocks in trees (Yu et al. 2018, DLA-60)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.hierarchical_split import HierarchicalSplit
from videonet.layers.nd import Nd
from videonet.models.aggregation import PoolShortcut, Tree
from videonet.models.blocks import Bottleneck
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Trunk

LEVELS = (1, 2, 3, 1)
WIDTHS = (128, 256, 512, 1024)


class ConvStem(nn.Sequential):
    """conv 7x7 - conv 3x3 - conv 3x3 / 2, each with norm and ReLU. Keys: 0, 1, 2."""

    def __init__(self, nd: Nd, first: int, last: int, *, t: int = 1, t_stride: int = 1) -> None:
        super().__init__(
            ConvNorm(nd, 3, first, 7, t=t, t_stride=t_stride, act=relu),
            ConvNorm(nd, first, first, 3, act=relu),
            ConvNorm(nd, first, last, 3, 2, act=relu),
        )
        self.channels, self.stride = last, 2


def pool_shortcut(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """A PoolShortcut where the shape changes."""
    same = (c_in, stride, t_stride) == (c_out, 1, 1)
    return None if same else PoolShortcut(nd, c_in, c_out, stride, t_stride)


def leaves(
    nd: Nd, index: int, levels: int, part: int, scale: int, groups: int, pathway: Pathway, **settings: object
) -> list[Callable[[int, int], nn.Module]]:
    """The makers of a stage's blocks in their order; settings: those of `Bottleneck`."""
    mix = partial(HierarchicalSplit, scale=scale, groups=pathway.groups(groups, part))

    def maker(i: int, t: int) -> Callable[[int, int], nn.Module]:
        first = i == 0

        def make(c_in: int, c_out: int) -> nn.Module:
            block = Bottleneck(
                nd,
                c_in,
                part * scale,
                c_out,
                stride=pathway.stride(index, 2) if first else 1,
                t=t,
                t_stride=pathway.t_strides[index] if first else 1,
                dilation=pathway.dilation(index),
                mix=partial(mix, first=first),
                shortcut=pool_shortcut,
                **settings,
            )
            if i in pathway.context_at[index]:
                block.context = pathway.context(nd, c_out, index)
            return block

        return make

    return [maker(i, t) for i, t in enumerate(pathway.kernels(index, 2**levels))]


def res2net_dla(
    nd: Nd,
    *,
    part: int = 28,
    scale: int = 4,
    groups: int = 1,
    keep_unused: bool = True,
    time_at: str = "pointwise",
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a Res2Net-DLA-60.

    part: width of a part in res2, for each group; scale: number of parts. groups: cardinality (Res2NeXt: 8 of 4).
    keep_unused: hold the 297,472 weights of the released files that no output depends on (they are not trained).
    time_at: in 3-D, "pointwise" (t x 1 x 1) or "spatial" (every part t x 3 x 3). drop_path: rate of each branch.
    """
    time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    stem = ConvStem(nd, pathway.width(16), pathway.width(32), **time)
    channels = [pathway.width(width) for width in WIDTHS]
    row, before = [], [stem.channels, *channels]
    for i, levels in enumerate(LEVELS):
        width = pathway.width(part * groups * 2**i)
        makers = leaves(nd, i, levels, width, scale, groups, pathway, time_at=time_at, drop_path=drop_path)
        tree = Tree(
            nd,
            levels,
            iter(makers),
            before[i] + pathway.fused[i],
            channels[i],
            stride=pathway.stride(i, 2),
            t_stride=pathway.t_strides[i],
            join_input=i > 0,
            keep_unused=keep_unused,
        )
        row.append(tree)
    strides = (4, 8, 16, 16 * pathway.stride(3, 2))
    return Trunk(nd, stem, row, channels, strides=strides, pool_t=pathway.pool_t)


def _variant(doc: str, **settings: object) -> Variant:
    paper = "Res2Net (Gao et al. 2019, arXiv 1904.01169, table 3)"
    return Variant(res2net_dla, settings, head_settings={"dropout": 0.0}, doc=f"{paper}: {doc}.")


VARIANTS = {
    "res2net_dla60": _variant("DLA-60 with 4 parts of 28"),
    "res2next_dla60": _variant("DLA-60 with 4 parts of 4 channels in 8 groups", part=4, groups=8),
}
