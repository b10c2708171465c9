"""SlowFast (Feichtenhofer et al. 2019, arXiv 1812.03982): two trunks at two frame rates, joined by laterals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.nd import Nd
from videonet.models.network import Variant
from videonet.models.pathway import Kernels, Pathway, kernels
from videonet.models.trunk import check_input
from videonet.models.video.context import place_non_local
from videonet.models.video.resnet3d import VIDEO, find_family

FUSIONS = ("concat", "sum")


class SlowFast(nn.Module):
    """A slow and a fast trunk; before each stage a lateral brings the fast map to the slow one (section 3.3).

    The clip has the fast pathway's frames; the slow one takes every alpha-th by `linspace`, first and last included.
    Keys: slow, fast, lateral.i (before stage i, from res2). channels: per stage, [slow, fast].
    """

    def __init__(self, slow: nn.Module, fast: nn.Module, lateral: nn.ModuleList, *, alpha: int, fusion: str) -> None:
        super().__init__()
        self.slow, self.fast, self.lateral = slow, fast, lateral
        self.alpha, self.fusion = alpha, fusion
        self.channels = [list(pair) for pair in zip(slow.channels, fast.channels)]
        self.strides = slow.strides

    def forward(self, clip: torch.Tensor) -> list[list[torch.Tensor]]:
        """(B, 3, T, H, W), T a multiple of alpha -> per stage [slow map with T / alpha frames, fast map with T]."""
        check_input(clip, 3)
        slow, fast = self.slow.stem(self.slow_frames(clip)), self.fast.stem(clip)
        maps = []
        for lateral, slow_stage, fast_stage in zip(self.lateral, self.slow.stages, self.fast.stages):
            slow = slow_stage(self.fuse(slow, lateral(fast)))
            fast = fast_stage(fast)
            maps.append([slow, fast])
        maps[-1] = [self.slow.end(slow), self.fast.end(fast)]
        return maps

    def fuse(self, slow: torch.Tensor, joined: torch.Tensor) -> torch.Tensor:
        """Concatenation or sum of the slow map and the lateral's."""
        return torch.cat([slow, joined], 1) if self.fusion == "concat" else slow + joined

    def slow_frames(self, clip: torch.Tensor) -> torch.Tensor:
        """Every alpha-th frame of the clip."""
        frames = clip.shape[2]
        if frames % self.alpha:
            raise ValueError(f"the clip has {frames} frames; SlowFast with ALPHA {self.alpha} takes a multiple of it")
        index = torch.linspace(0, frames - 1, frames // self.alpha).long()
        return clip.index_select(2, index.to(clip.device))


def slowfast(
    nd: Nd = VIDEO,
    *,
    depth: int = 50,
    family: str = "",
    fast_family: str = "",
    alpha: int = 4,
    beta_inv: int = 8,
    fusion_kernel: int = 7,
    fusion_ratio: int = 2,
    fusion: str = "concat",
    t: Sequence[Kernels] = (1, 1, 3, 3),
    t_blocks: Sequence[int | Sequence[int]] = (),
    output_stride: int = 32,
    scale: float = 1.0,
    non_local: Mapping[str, Any] | None = None,
) -> SlowFast:
    """The backbone of SlowFast.

    depth: of both ResNets; family, fast_family: names of other image networks in their place (fast: as slow).
    alpha: fast frames per slow frame. beta_inv: how much narrower the fast pathway is (8: an eighth).
    fusion_kernel: frames of a lateral's kernel (5 or 7). fusion_ratio: a lateral's channels per fast channel.
    fusion: "concat", or "sum" (the lateral then has the slow map's channels; section 3.3).
    t: the slow pathway's temporal kernels in res2 .. res5; the fast one has 3 everywhere and 5 in its stem (table 1).
    t_blocks: blocks of each stage that may have a temporal kernel, or (slow, fast) pairs of them; () for all.
    output_stride: 32, or 16 for detection. scale: multiplies every width.
    non_local: {at, mode, pool, groups} of non-local blocks in the slow pathway; see `place_non_local`.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"fusion is {fusion!r}; it must be one of {', '.join(FUSIONS)}")
    base = find_family(family, depth)
    quick = find_family(fast_family, depth) if fast_family else base
    check_strides(family or f"resnet{depth}", base, fast_family, quick)
    slow_blocks, fast_blocks = split_pairs(t_blocks)
    fast = Pathway(stem_t=5, t=(3, 3, 3, 3), t_blocks=fast_blocks, scale=scale / beta_inv, output_stride=output_stride)
    context = place_non_local(non_local)
    slow = Pathway(t=kernels(t), t_blocks=slow_blocks, scale=scale, output_stride=output_stride, **context)
    fast_trunk = quick.backbone(nd, pathway=fast)
    sources = [fast_trunk.stem_channels, *fast_trunk.channels[:-1]]
    if fusion == "concat":
        targets = tuple(c * fusion_ratio for c in sources)
        slow_trunk = base.backbone(nd, pathway=replace(slow, fused=targets))
    else:
        slow_trunk = base.backbone(nd, pathway=slow)
        targets = (slow_trunk.stem_channels, *slow_trunk.channels[:-1])
    lateral = nn.ModuleList(lateral_of(nd, *pair, fusion_kernel, alpha) for pair in zip(sources, targets))
    return SlowFast(slow_trunk, fast_trunk, lateral, alpha=alpha, fusion=fusion)


def check_strides(slow: str, slow_network: Variant, fast: str, fast_network: Variant) -> None:
    """ValueError unless the maps of both families have the same sizes before each stage."""
    if slow_network is fast_network:
        return
    with torch.device("meta"):
        pair = [network.backbone() for network in (slow_network, fast_network)]
    first, second = ([trunk.stem.stride, *trunk.strides] for trunk in pair)
    if first != second:
        raise ValueError(
            f"{slow} has maps at strides {', '.join(map(str, first))}, {fast} at {', '.join(map(str, second))}: no "
            "lateral joins them; take a fast_family whose strides are equal"
        )


def lateral_of(nd: Nd, c_in: int, c_out: int, kernel: int, alpha: int) -> nn.Module:
    """Time-strided convolution, norm, ReLU: every alpha-th fast frame for the slow map (section 3.3)."""
    return ConvNorm(nd, c_in, c_out, 1, t=kernel, t_stride=alpha, act=relu)


def split_pairs(blocks: Sequence[int | Sequence[int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(slow, fast) counts of temporal blocks; a single number holds for both."""
    pairs = [(b, b) if isinstance(b, int) else tuple(b) for b in blocks]
    return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)


R101_50 = (3, 4, 6, 3)
NLN_R50 = {"non_local": {"at": ((), (1, 3), (1, 3, 5), ()), "mode": "dot_product"}}
NLN_R101 = {"non_local": {"at": ((), (), (6, 13, 20), ()), "mode": "dot_product"}}


def _variant(depth: int, alpha: int, frames: int, kernel: int, **more: Any) -> Variant:
    settings = {"depth": depth, "alpha": alpha, "fusion_kernel": kernel, **more}
    doc = f"SlowFast, R{depth} (Feichtenhofer et al. 2019, table 1)."
    return Variant(slowfast, settings, nd=VIDEO, input=(3, frames, 224, 224), num_classes=400, doc=doc)


VARIANTS = {
    "slowfast_4x16_r50": _variant(50, 8, 32, 5),
    "slowfast_8x8_r18": _variant(18, 4, 32, 7),
    "slowfast_8x8_r50": _variant(50, 4, 32, 7),
    "slowfast_8x8_r101": _variant(101, 4, 32, 5),
    "slowfast_16x8_r101": _variant(101, 4, 64, 5, t_blocks=R101_50),
    "slowfast_nln_4x16_r50": _variant(50, 8, 32, 5, **NLN_R50),
    "slowfast_nln_8x8_r50": _variant(50, 4, 32, 5, **NLN_R50),
    "slowfast_nln_16x8_r101": _variant(101, 4, 64, 5, t_blocks=R101_50, **NLN_R101),
}

FAMILIES = {"slowfast": Variant(slowfast, nd=VIDEO, num_classes=400, doc="SlowFast (Feichtenhofer et al. 2019).")}
