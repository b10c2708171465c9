"""ResNeXt (Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks", arXiv 1611.05431)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from videonet.layers.gate import squeeze_excite
from videonet.layers.nd import Nd
from videonet.layers.norm_act import NormAct
from videonet.layers.shortcut import find_shortcut
from videonet.models.blocks import Bottleneck
from videonet.models.image.preact import PlainStem
from videonet.models.image.resnet import CIFAR, find_depths, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.preact_block import PreActBottleneck, find_preact_shortcut
from videonet.models.trunk import Stem, Trunk, stages


def group_widths(groups: int, group_width: int, stages: int) -> list[int]:
    """Channels of each stage's grouped 3x3: floor(n * group_width / 64) * groups for n = 64, 128, ... (table 2)."""
    if groups < 1 or group_width < 1:
        raise ValueError(f"a ResNeXt of {groups} groups of {group_width} channels; both must be at least 1")
    return [64 * 2**i * group_width // 64 * groups for i in range(stages)]


def resnext(
    nd: Nd,
    *,
    depth: int = 50,
    groups: int = 32,
    group_width: int = 4,
    preact: bool = False,
    shortcut: str = "B",
    stride_on: str = "spatial",
    time_at: str = "pointwise",
    se_ratio: int = 0,
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an ImageNet ResNeXt (table 1, form C: one grouped 3x3).

    depth: 50, 101, 152 or 200. groups, group_width: cardinality C and channels d of each group in res2 ("32x4d").
    preact: pre-activation blocks in place of the released ones. se_ratio: a squeeze-and-excitation with that ratio on
    each branch, 0 for none. shortcut, stride_on, time_at, drop_path: as in `resnet`.
    """
    depths = find_depths(depth)
    if depth < 50:
        raise ValueError(f"depth is {depth}; a ResNeXt has bottlenecks, so 50, 101, 152 or 200")
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    slots = _slots(preact, shortcut, se_ratio, stride_on=stride_on, time_at=time_at, drop_path=drop_path)
    body, channels = _body(nd, depths, groups, group_width, stem.channels, slots, pathway, "plain" if preact else "")
    end = NormAct(nd, channels[-1]) if preact else None
    return Trunk(nd, stem, body, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t, end=end)


def cifar_resnext(
    nd: Nd,
    *,
    depth: int = 29,
    groups: int = 8,
    group_width: int = 64,
    preact: bool = False,
    shortcut: str = "B",
    stride_on: str = "spatial",
    time_at: str = "pointwise",
    se_ratio: int = 0,
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a CIFAR ResNeXt of 9n + 2 layers (section 5.2): three stages at strides 1, 2, 4.

    The paper's first version has pre-activation blocks (`preact`), the released code has not. Arguments: see `resnext`.
    """
    if depth < 11 or (depth - 2) % 9:
        raise ValueError(f"depth is {depth}; a CIFAR ResNeXt has 9n + 2 layers: 20, 29, 38")
    width, time = pathway.width(64), {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    stem = PlainStem(nd, width, **time) if preact else Stem(nd, width, kernel=3, stride=1, pool=False, **time)
    slots = _slots(preact, shortcut, se_ratio, stride_on=stride_on, time_at=time_at, drop_path=drop_path)
    depths = ((depth - 2) // 9,) * 3
    body, channels = _body(nd, depths, groups, group_width, width, slots, pathway, "auto" if preact else "")
    end = NormAct(nd, channels[-1]) if preact else None
    return Trunk(nd, stem, body, channels, strides=(1, 2, 4), pool_t=pathway.pool_t, end=end)


def _slots(preact: bool, shortcut: str, se_ratio: int, **settings: str | float) -> dict:
    """What all blocks of a network share."""
    find = find_preact_shortcut if preact else find_shortcut
    return {"shortcut": find(shortcut), "gate": squeeze_excite(se_ratio) if se_ratio else None, **settings}


def _body(
    nd: Nd,
    depths: Sequence[int],
    groups: int,
    group_width: int,
    c_in: int,
    slots: dict,
    pathway: Pathway,
    entry: str,
) -> tuple[list[nn.Sequential], list[int]]:
    """The stages and their channels; `entry` of the first pre-activation block, empty for blocks of the usual kind."""
    inner = [pathway.width(w) for w in group_widths(groups, group_width, len(depths))]
    channels = [pathway.width(64) * 4 * 2**i for i in range(len(depths))]
    kind = PreActBottleneck if entry else Bottleneck
    blocks = [partial(kind, groups=pathway.groups(groups, w), **slots) for w in inner]
    first = [partial(blocks[0], entry=entry) if entry else None, *[None] * (len(depths) - 1)]
    return stages(nd, blocks, depths, c_in, inner, channels, first_blocks=first, pathway=pathway), channels


PAPER = "ResNeXt (Xie et al. 2017, arXiv 1611.05431"


def _variant(depth: int, groups: int, group_width: int) -> Variant:
    settings = {"depth": depth, "groups": groups, "group_width": group_width}
    doc = f"{PAPER}, tables 1 and 2), {depth} layers, {groups} groups of {group_width} channels."
    return Variant(resnext, settings, head_settings={"dropout": 0.0}, doc=doc)


def _cifar(groups: int, group_width: int) -> Variant:
    doc = f"{PAPER}, section 5.2), 29 layers for CIFAR, {groups} groups of {group_width} channels."
    return Variant(cifar_resnext, {"groups": groups, "group_width": group_width}, doc=doc, **CIFAR)


VARIANTS = {
    f"resnext{depth}_{c}x{d}d": _variant(depth, c, d)
    for depth, c, d in (
        (50, 32, 4),
        (50, 2, 40),
        (50, 4, 24),
        (50, 8, 14),
        (101, 32, 4),
        (101, 32, 8),
        (101, 64, 4),
        (152, 32, 4),
    )
} | {f"cifar_resnext29_{c}x{d}d": _cifar(c, d) for c, d in ((8, 64), (16, 64), (16, 32), (32, 4))}
