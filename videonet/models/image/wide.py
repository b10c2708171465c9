"""Wide ResNet (Zagoruyko & Komodakis 2016, "Wide Residual Networks", arXiv 1605.07146)."""

from __future__ import annotations

from functools import partial

from videonet.layers.gate import squeeze_excite
from videonet.layers.nd import Nd
from videonet.layers.norm_act import NormAct
from videonet.layers.shortcut import find_shortcut
from videonet.models.blocks import Basic, Bottleneck
from videonet.models.image.preact import PlainStem
from videonet.models.image.resnet import CIFAR, find_depths, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.preact_block import PreActBasic, find_preact_shortcut
from videonet.models.trunk import Stem, Trunk, stages


def wide_resnet(
    nd: Nd,
    *,
    depth: int = 50,
    widen: float = 2,
    shortcut: str = "B",
    stride_on: str = "spatial",
    time_at: str = "pointwise",
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an ImageNet Wide ResNet (section 3.4): post-activation, the stem stays at 64 channels.

    depth: 18 and 34 have every width of their basic blocks times `widen`; 50, 101, 152 and 200 only the width of their
    3x3. Other arguments as in `resnet`.
    """
    depths = find_depths(depth)
    slots = {"shortcut": find_shortcut(shortcut), "drop_path": drop_path}
    widths = [pathway.width(64 * 2**i * widen) for i in range(4)]
    if depth < 50:
        block, channels = partial(Basic, **slots), widths
    else:
        block = partial(Bottleneck, stride_on=stride_on, time_at=time_at, **slots)
        channels = [pathway.width(256) * 2**i for i in range(4)]
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    body = stages(nd, block, depths, stem.channels, widths, channels, pathway=pathway)
    return Trunk(nd, stem, body, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


def cifar_wrn(
    nd: Nd,
    *,
    depth: int = 28,
    widen: float = 10,
    dropout: float = 0.0,
    shortcut: str = "B",
    se_ratio: int = 0,
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a CIFAR Wide ResNet (table 1): 6n + 4 layers, pre-activation, stages at strides 1, 2, 4.

    widen: the factor k of the widths 16k, 32k, 64k. dropout: between the two convolutions of each block (section 2.4;
    0.3 on CIFAR, 0.4 on SVHN). shortcut, se_ratio, drop_path: as in `preact_resnet`.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(f"depth is {depth}; a CIFAR Wide ResNet has 6n + 4 layers: 16, 22, 28, 40, 52")
    block = partial(
        PreActBasic,
        dropout=dropout,
        gate=squeeze_excite(se_ratio) if se_ratio else None,
        shortcut=find_preact_shortcut(shortcut),
        drop_path=drop_path,
    )
    stem = PlainStem(nd, pathway.width(16), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    channels = [pathway.width(16 * 2**i * widen) for i in range(3)]
    depths, strides = ((depth - 4) // 6,) * 3, (1, 2, 4)
    body = stages(nd, block, depths, stem.channels, channels, channels, pathway=pathway)
    return Trunk(nd, stem, body, channels, strides=strides, pool_t=pathway.pool_t, end=NormAct(nd, channels[-1]))


PAPER = "Wide ResNet (Zagoruyko & Komodakis 2016, arXiv 1605.07146"


def _imagenet(depth: int, widen: float) -> Variant:
    settings, doc = {"depth": depth, "widen": widen}, f"{PAPER}, section 3.4), {depth} layers, {widen} times as wide."
    return Variant(wide_resnet, settings, head_settings={"dropout": 0.0}, doc=doc)


def _cifar(depth: int, widen: int) -> Variant:
    settings, doc = {"depth": depth, "widen": widen}, f"CIFAR {PAPER}, table 4), {depth} layers, {widen} times as wide."
    return Variant(cifar_wrn, settings, nd=Nd(2, init="fan_in"), doc=doc, **CIFAR)


VARIANTS = {
    f"wide_resnet{depth}_{widen}": _imagenet(depth, widen)
    for depth, widen in ((18, 1.5), (18, 2), (18, 3), (34, 1.5), (34, 2), (50, 2), (101, 2))
} | {
    f"cifar_wrn{depth}_{widen}": _cifar(depth, widen)
    for depth, widen in (
        (16, 4),
        (16, 8),
        (16, 10),
        (22, 8),
        (22, 10),
        (28, 10),
        (28, 12),
        (40, 1),
        (40, 2),
        (40, 4),
        (40, 8),
        (40, 10),
        (52, 1),
    )
}
