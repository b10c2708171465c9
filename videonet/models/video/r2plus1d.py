"""R(2+1)D, R3D and MC3 (Tran et al. 2018, "A Closer Look at Spatiotemporal Convolutions", arXiv 1711.11248)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.factored import Factored, middle_channels
from videonet.layers.nd import Nd
from videonet.layers.shortcut import Shortcut, projection
from videonet.models.blocks import Bottleneck, Residual, choose
from videonet.models.image.resnet import find_depths
from videonet.models.network import Variant
from videonet.models.pathway import Kernels, Pathway, kernels
from videonet.models.trunk import Stem, Trunk, stages
from videonet.models.video.resnet3d import VIDEO

MIDDLES = ("block", "conv", "same")
VMZ = Nd(3, bn_eps=1e-3, init="fan_in")


class FactoredStem(nn.Module):
    """1 x 7 x 7 / 2 to `middle` channels, norm, ReLU, then t x 1 x 1, norm, ReLU. Keys: conv.(space, bn, time), bn.

    middle: 45 as released; 0 has no convolution over time (and keys conv, bn), as in pytorchvideo.
    """

    def __init__(
        self, nd: Nd, channels: int, *, middle: int = 45, t: int = 3, t_stride: int = 1, pool: bool = False
    ) -> None:
        super().__init__()
        self.conv = Factored(nd, 3, channels, middle, 7, 2, t=t, t_stride=t_stride)
        self.bn, self.act = nd.norm(channels), relu(channels)
        self.pool = nd.max_pool(3, 2) if pool else nn.Identity()
        self.channels = channels
        self.stride = 4 if pool else 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, T, H, W) -> (B, channels, T, H / stride, W / stride)."""
        return self.pool(self.act(self.bn(self.conv(x))))


def factored_projection(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """A projection that is a pair of 1x1 convolutions (mmaction2's R(2+1)D)."""
    shortcut = projection(nd, c_in, c_out, stride, t_stride)
    if isinstance(shortcut, ConvNorm):
        shortcut.conv = Factored(nd, c_in, c_out, middle_channels(c_in, c_out, 3, 1), 1, stride, t_stride=t_stride)
    return shortcut


class FactoredBasic(Residual):
    """Two t x 3 x 3 convolutions, each a (2+1)-D pair or whole (section 3). Keys: conv1, bn1, conv2, bn2[, shortcut].

    middle: channels between the two parts: "conv" makes each pair as large as the whole convolution, "block" takes the
    first one's for both (torchvision), None makes no pairs (R3D).
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
        middle: str | None = "conv",
        shortcut: Shortcut = projection,
    ) -> None:
        super().__init__(nd, c_in, c_out, stride=stride, t_stride=t_stride, shortcut=shortcut, act=relu)
        first = middle_channels(c_in, c_out, 3, 3)
        second = first if middle == "block" else middle_channels(c_out, c_out, 3, 3)
        conv = partial(nd.conv, kernel=3, t=t, dilation=dilation)
        pair = partial(Factored, nd, kernel=3, t=t, dilation=dilation)
        strides = {"stride": stride, "t_stride": t_stride}
        self.conv1 = pair(c_in, c_out, first, **strides) if middle else conv(c_in, c_out, **strides)
        self.bn1, self.act1 = nd.norm(c_out), relu(c_out)
        self.conv2 = pair(c_out, c_out, second) if middle else conv(c_out, c_out)
        self.bn2 = nd.norm(c_out, zero=True)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """t x 3 x 3 - t x 3 x 3."""
        return self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))


class FactoredMix(nn.Module):
    """A (2+1)-D pair, norm and ReLU in place of a bottleneck's 3x3. Keys: conv.(space, bn, time), bn.

    widen: as many channels between as make the pair as large as the whole; False keeps `width`.
    """

    def __init__(
        self,
        nd: Nd,
        width: int,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        widen: bool = True,
        time_first: bool = False,
    ) -> None:
        super().__init__()
        middle = middle_channels(width, width, 3, 3) if widen else width
        self.conv = Factored(
            nd, width, width, middle, 3, stride, t=t, t_stride=t_stride, dilation=dilation, time_first=time_first
        )
        self.bn, self.act = nd.norm(width), relu(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width, T, H, W) -> the same, strided."""
        return self.act(self.bn(self.conv(x)))


def r2plus1d(
    nd: Nd = VIDEO,
    *,
    depth: int = 18,
    middle: str = "block",
    stem_middle: int = 45,
    stem_pool: bool = False,
    strides: Sequence[int] = (1, 2, 2, 2),
    t: Sequence[Kernels] = (3, 3, 3, 3),
    t_strides: Sequence[int] = (1, 2, 2, 2),
    time_first: bool = False,
    factored_shortcut: bool = False,
    scale: float = 1.0,
    pathway: Pathway | None = None,
) -> Trunk:
    """The backbone of R(2+1)D: every convolution is one over space, then one over time (section 3.5).

    depth: 18 and 34 have basic blocks, 50, 101, 152 bottlenecks. middle: channels between the two, "conv" (as many
    as make the pair as large as the whole convolution), "block" (as the block's first; torchvision's 18) or "same"
    (the width; pytorchvideo's 50). stem_middle: of the stem, 0 for no convolution over time there. stem_pool: a max
    pool after it. strides, t_strides: of the stages. time_first: time before space in bottlenecks (pytorchvideo).
    factored_shortcut: projections are pairs too (mmaction2's 34). scale: multiplies every width.
    """
    choose("middle", middle, MIDDLES)
    pathway = pathway or _pathway(nd, t, t_strides, scale)
    if depth < 50 and (time_first or middle == "same"):
        raise ValueError(f"depth is {depth}; time_first and middle 'same' are for bottlenecks: depth 50 and more")
    stem_time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    if stem_middle:
        stem = FactoredStem(nd, pathway.width(64), middle=pathway.width(stem_middle), pool=stem_pool, **stem_time)
    else:
        stem = Stem(nd, pathway.width(64), t_stride=pathway.stem_t_stride, pool=stem_pool)
    shortcut = factored_projection if factored_shortcut else projection
    if depth < 50:
        block = partial(FactoredBasic, middle=middle, shortcut=shortcut)
    else:
        mix = partial(FactoredMix, widen=middle != "same", time_first=time_first)
        block = partial(Bottleneck, mix=mix, time_at="spatial", shortcut=shortcut)
    return _trunk(nd, stem, block, depth, strides, pathway)


def r3d(
    nd: Nd = VIDEO,
    *,
    depth: int = 18,
    strides: Sequence[int] = (1, 2, 2, 2),
    t: Sequence[Kernels] = (3, 3, 3, 3),
    t_strides: Sequence[int] = (1, 2, 2, 2),
    scale: float = 1.0,
    pathway: Pathway | None = None,
) -> Trunk:
    """The backbone of R3D: basic blocks of two t x 3 x 3 convolutions, and no pool (section 3.2).

    depth: 18 or 34. t: temporal kernels of the stages; 3 in the first ones only is MC3 (section 3.3).
    scale: multiplies every width.
    """
    if depth >= 50:
        raise ValueError(
            f"depth is {depth}; R3D has basic blocks: 18 or 34; for bottlenecks, resnet3d with stem_t and t"
        )
    pathway = pathway or _pathway(nd, t, t_strides, scale)
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride, pool=False)
    return _trunk(nd, stem, partial(FactoredBasic, middle=None), depth, strides, pathway)


def _pathway(nd: Nd, t: Sequence[Kernels], t_strides: Sequence[int], scale: float) -> Pathway:
    """Time where the settings say, in 3-D; none in 2-D."""
    if nd.dims == 2:
        return Pathway(scale=scale)
    return Pathway(stem_t=3, t=kernels(t), t_strides=tuple(t_strides), scale=scale)


def _trunk(nd: Nd, stem: nn.Module, block: partial, depth: int, strides: Sequence[int], pathway: Pathway) -> Trunk:
    """Stages behind a stem whose stride and theirs make those of the maps."""
    inner = [pathway.width(64) * 2**i for i in range(4)]
    channels = inner if depth < 50 else [4 * c for c in inner]
    row = stages(nd, block, find_depths(depth), stem.channels, inner, channels, strides=strides, pathway=pathway)
    at, total = [], stem.stride
    for i, stride in enumerate(strides):
        total *= pathway.stride(i, stride)
        at.append(total)
    return Trunk(nd, stem, row, channels, strides=at, pool_t=pathway.pool_t)


R50 = {"depth": 50, "middle": "same", "stem_middle": 0, "strides": (2, 2, 2, 2), "t_strides": (1, 1, 2, 2)}


MMACTION2 = {"depth": 34, "middle": "conv", "stem_middle": 83, "stem_pool": True, "factored_shortcut": True}


def _variant(
    build: Callable[..., Trunk], settings: dict, doc: str, *, nd: Nd = VIDEO, frames: int = 16, crop: int = 112
) -> Variant:
    doc = f"{doc} (Tran et al. 2018, table 1)."
    return Variant(build, settings, nd=nd, input=(3, frames, crop, crop), num_classes=400, doc=doc)


TORCHVISION = Nd(3)
VARIANTS = {
    "r2plus1d_18": _variant(r2plus1d, {}, "R(2+1)D-18, torchvision's", nd=TORCHVISION),
    "r2plus1d_34": _variant(r2plus1d, {"depth": 34, "middle": "conv"}, "R(2+1)D-34, VMZ's", nd=VMZ, frames=32),
    "r2plus1d_34_mmaction2": _variant(r2plus1d, MMACTION2, "R(2+1)D-34, mmaction2's", nd=VMZ, frames=8),
    "r2plus1d_152": _variant(r2plus1d, {"depth": 152, "middle": "conv"}, "R(2+1)D-152, VMZ's", nd=VMZ, frames=32),
    "r2plus1d_50": _variant(r2plus1d, {**R50, "time_first": True}, "R(2+1)D-50, pytorchvideo's", nd=VIDEO, crop=224),
    "r3d_18": _variant(r3d, {}, "R3D-18, torchvision's", nd=TORCHVISION),
    "mc3_18": _variant(r3d, {"t": (3, 1, 1, 1), "t_strides": (1, 1, 1, 1)}, "MC3-18, torchvision's", nd=TORCHVISION),
}

FAMILIES = {
    "r2plus1d": _variant(r2plus1d, {}, "R(2+1)D"),
    "r3d": _variant(r3d, {}, "R3D and, by `t`, MC3"),
}
