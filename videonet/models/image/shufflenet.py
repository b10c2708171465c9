"""ShuffleNet v1 (Zhang et al. 2018, arXiv 1707.01083): grouped 1x1 convolutions and a shuffle that mixes groups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.gate import Gate, squeeze_excite
from videonet.layers.nd import Nd, common_groups
from videonet.layers.shuffle import ChannelShuffle
from videonet.models.blocks import TIMES, choose
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, check_depths, stages

WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


class MaxPool(nn.Module):
    """The max pool behind the stem as the only block of res2: it has no parameters, only a `context` may follow it."""

    def __init__(
        self, nd: Nd, c_in: int, width: int, c_out: int, *, stride: int, t: int, t_stride: int, dilation: int
    ) -> None:
        super().__init__()
        self.pool = nd.max_pool(3, stride, t=t_stride, t_stride=t_stride)
        self.context: nn.Module = nn.Identity()
        self.channels = c_in

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, [T,] H, W) -> (B, C, [T',] H / stride, W / stride)."""
        return self.context(self.pool(x))


class ShuffleUnit(nn.Module):
    """1x1 grouped - shuffle - 3x3 depthwise - 1x1 grouped (section 3.2, figure 2). Keys: conv1, bn1 .. conv3, bn3.

    A unit that keeps the shape adds its input; another one joins the average-pooled input in front of the branch.
    groups: of the last 1x1 and the shuffle; first_groups: of the first 1x1, where the network does not group it.
    order: of the shuffle. shuffle_at: "pointwise" (behind the first 1x1, as in the paper) or "depthwise" (behind the
    3x3, as in the authors' code). time_at: "spatial" makes the depthwise t x 3 x 3, "pointwise" the first t x 1 x 1.
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
        groups: int = 3,
        first_groups: int | None = None,
        order: str = "paper",
        shuffle_at: str = "pointwise",
        time_at: str = "spatial",
        gate: Gate | None = None,
    ) -> None:
        super().__init__()
        early = choose("time_at", time_at, TIMES) == "pointwise"
        time, still = {"t": t, "t_stride": t_stride}, {}
        self.pool = None
        if (c_in, stride, t_stride) != (c_out, 1, 1):
            if c_out <= c_in:
                raise ValueError(f"a ShuffleNet unit joins its {c_in} input channels: {c_out} outputs are too few")
            self.pool = nd.avg_pool(3, stride, t_stride=t_stride, padding=1)
        branch = c_out - c_in if self.pool else c_out
        self.conv1 = nd.conv(
            c_in, width, 1, groups=common_groups(first_groups or groups, c_in, width), **(time if early else still)
        )
        self.bn1, self.act1 = nd.norm(width), relu(width)
        self.conv2 = nd.conv(width, width, 3, stride, dilation=dilation, groups=width, **(still if early else time))
        self.bn2 = nd.norm(width)
        self.conv3 = nd.conv(width, branch, 1, groups=common_groups(groups, width, branch))
        self.bn3 = nd.norm(branch, zero=self.pool is None)  # a joined branch of zeros would never leave its ReLU
        shuffle = ChannelShuffle(groups, order) if groups > 1 else nn.Identity()
        behind = choose("shuffle_at", shuffle_at, ("pointwise", "depthwise")) == "depthwise"
        self.shuffle1, self.shuffle2 = (nn.Identity(), shuffle) if behind else (shuffle, nn.Identity())
        self.gate = gate(nd, branch) if gate else nn.Identity()
        self.act, self.context = relu(c_out), nn.Identity()
        self.channels = c_out

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """The convolutions, up to the last norm and the gate."""
        x = self.shuffle1(self.act1(self.bn1(self.conv1(x))))
        x = self.shuffle2(self.bn2(self.conv2(x)))
        return self.gate(self.bn3(self.conv3(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        if self.pool is None:
            return self.context(self.act(self.branch(x) + x))
        return self.context(self.act(torch.cat([self.pool(x), self.branch(x)], 1)))


def stem_width(groups: int, scale: float) -> int:
    """24 from 1x on; below, 12, or for 8 groups 16 (0.5x) and 8 (0.25x), which give the paper's 38 and 13 MFLOPs."""
    if scale >= 1:
        return 24
    return 12 if groups < 8 else int(32 * scale)


def unit_width(channels: float, groups: int) -> int:
    """The nearest multiple of 4 * groups: a unit's inner width is a quarter, and its groups must divide both."""
    return max(1, int(channels / (4 * groups) + 0.5)) * 4 * groups


def shufflenet(
    nd: Nd,
    *,
    groups: int = 3,
    scale: float = 1.0,
    stem: int = 0,
    depths: Sequence[int] = (4, 8, 4),
    order: str = "paper",
    shuffle_at: str = "pointwise",
    time_at: str = "spatial",
    se: bool = False,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a ShuffleNet v1 (table 1); res2 is the max pool, res3 .. res5 are the paper's stages 2 .. 4.

    groups: 1, 2, 3, 4 or 8. scale: of the widths, any (0.25, 0.5, 1, 1.5, 2 in table 2); where they do not divide, a
    width is the nearest multiple of 4 * groups. stem: its channels, 0 for 24 (and fewer below 1x; the authors' 2x
    release has 48). depths: units of each stage, (2, 4, 2) for the shallow network of table 6.
    order, shuffle_at: of the shuffle, "paper" and "pointwise"; weights released by the authors need "inverse" and
    "depthwise". se: squeeze and excitation, ratio 16, on each branch (table 5).
    time_at: in 3-D, "spatial" (depthwise t x 3 x 3) or "pointwise" (the first 1x1 becomes t x 1 x 1).
    """
    if groups not in WIDTHS:
        raise ValueError(f"groups is {groups}; a ShuffleNet has {', '.join(map(str, WIDTHS))}")
    check_depths("depths", depths, 3)
    time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    entry = Stem(nd, pathway.width(stem or stem_width(groups, scale)), kernel=3, pool=False, **time)
    scaled = pathway.width(groups)
    width = unit_width(WIDTHS[groups] * scale * pathway.scale, scaled)
    channels = [entry.channels + pathway.fused[0], width, 2 * width, 4 * width]
    settings = {"order": order, "shuffle_at": shuffle_at, "time_at": time_at}
    unit = partial(ShuffleUnit, groups=scaled, gate=squeeze_excite(16) if se else None, **settings)
    row = stages(
        nd,
        [MaxPool, unit, unit, unit],
        (1, *depths),
        entry.channels,
        [c // 4 for c in channels],
        channels,
        strides=(2, 2, 2, 2),
        first_blocks=(None, partial(unit, first_groups=1), None, None),
        pathway=pathway,
    )
    strides = (4, 8, 16, 16 * pathway.stride(3, 2))
    return Trunk(nd, entry, row, channels, strides=strides, pool_t=pathway.pool_t)


VARIANTS = {
    f"shufflenet_g{groups}_{scale:.1f}x": Variant(
        shufflenet,
        {"groups": groups, "scale": scale},
        head_settings={"dropout": 0.0},
        nd=Nd(2, init="fan_in"),
        doc=f"ShuffleNet {scale:g}x, {groups} groups (Zhang et al. 2018, arXiv 1707.01083, table 1).",
    )
    for groups in WIDTHS
    for scale in (1.0, 2.0)
}
