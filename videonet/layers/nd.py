"""Nd: the one place where a network learns whether it sees images (2-D) or clips (3-D)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

CONVS = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOLS = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG_POOLS = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
NORM_POLICIES = ("batch", "group", "none")
INITS = ("fan_out", "fan_in", "xavier", "normal", "torch")


def group_count(channels: int, most: int = 32) -> int:
    """Groups of a GroupNorm (Wu & He 2018, section 3): 32, or the largest divisor of `channels` below it."""
    return next(g for g in range(min(most, channels), 0, -1) if channels % g == 0)


def common_groups(groups: int, *channels: int) -> int:
    """`groups`, or the largest number below it that divides all of `channels` (laterals add some that it may not)."""
    return next(g for g in range(groups, 0, -1) if all(c % g == 0 for c in channels))


@dataclass(frozen=True)
class Nd:
    """Makes the layers of a network for images (`dims=2`) or clips (`dims=3`) and initialises them.

    Spatial sizes are one int; time is explicit (`t`, `t_stride`), and a 2-D factory refuses it. The same block
    built by `Nd(2)` and by `Nd(3)` has the same state-dict keys, so 2-D weights inflate by one rule.

    dims: 2 for (B, C, H, W), 3 for (B, C, T, H, W).
    norm_policy: "batch", "group" (32 groups, or the largest divisor of the width below 32) or "none".
    bn_eps, bn_momentum: of the batch norms (momentum as in torch: the weight of the new value).
    zero_init: the last norm of a residual branch starts at zero (Goyal et al. 2017, section 5.1).
    init: of convolutions: "fan_out" or "fan_in" (He et al. 2015), "xavier" (Glorot & Bengio 2010), "normal" (std 0.01),
        "torch" (its default).
    slope: negative slope of the activation that follows, in He's gain (PReLU starts at 0.25).
    """

    dims: int = 2
    norm_policy: str = "batch"
    bn_eps: float = 1e-5
    bn_momentum: float = 0.1
    zero_init: bool = False
    init: str = "fan_out"
    slope: float = 0.0

    def __post_init__(self) -> None:
        for key, value, rule in (
            ("dims", self.dims, (2, 3)),
            ("norm_policy", self.norm_policy, NORM_POLICIES),
            ("init", self.init, INITS),
        ):
            if value not in rule:
                raise ValueError(f"Nd: {key} is {value!r}; it must be one of {', '.join(map(str, rule))}")

    def size(self, t: int, space: int) -> tuple[int, ...]:
        """(space, space) of a 2-D factory, (t, space, space) of a 3-D one; time in 2-D is a mistake."""
        if self.dims == 3:
            return (t, space, space)
        if t != 1:
            raise ValueError(f"Nd(2) has no time axis: t={t} needs Nd(3)")
        return (space, space)

    def conv(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int = 1,
        *,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> nn.Module:
        """A convolution of t x kernel x kernel that keeps the size at stride 1 (odd kernels; zero padding)."""
        if c_in % groups or c_out % groups:
            raise ValueError(f"{groups} groups do not divide {c_in} input and {c_out} output channels")
        conv = CONVS[self.dims](
            c_in,
            c_out,
            self.size(t, kernel),
            self.size(t_stride, stride),
            padding=self.size(t // 2, dilation * (kernel - 1) // 2) if self.dims == 3 else dilation * (kernel - 1) // 2,
            dilation=self.size(1, dilation),
            groups=groups,
            bias=bias,
        )
        self.initialise(conv)
        return conv

    def initialise(self, conv: nn.Module) -> None:
        """Draw the weights after `init`; biases start at zero (torch's default keeps its own)."""
        if self.init == "torch" or conv.weight.is_meta:
            return
        if self.init == "normal":
            nn.init.normal_(conv.weight, std=0.01)
        elif self.init == "xavier":
            nn.init.xavier_normal_(conv.weight)
        else:
            nn.init.kaiming_normal_(conv.weight, a=self.slope, mode=self.init)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)

    def norm(self, c: int, *, zero: bool = False) -> nn.Module:
        """The norm of `c` channels; `zero` marks the end of a residual branch (see `zero_init`)."""
        if self.norm_policy == "none":
            return nn.Identity()
        if self.norm_policy == "group":
            norm = nn.GroupNorm(group_count(c), c, eps=1e-5)
        else:
            norm = BATCH_NORMS[self.dims](c, eps=self.bn_eps, momentum=self.bn_momentum)
        if zero and self.zero_init:
            nn.init.zeros_(norm.weight)
        return norm

    def max_pool(
        self, kernel: int, stride: int, *, t: int = 1, t_stride: int = 1, padding: int | None = None, ceil: bool = False
    ) -> nn.Module:
        """A max pool of t x kernel x kernel; space is padded by kernel // 2 unless told, time is not."""
        padding = kernel // 2 if padding is None else padding
        pad = (0, padding, padding) if self.dims == 3 else padding
        return MAX_POOLS[self.dims](self.size(t, kernel), self.size(t_stride, stride), padding=pad, ceil_mode=ceil)

    def avg_pool(
        self,
        kernel: int,
        stride: int,
        *,
        t_stride: int = 1,
        padding: int = 0,
        ceil: bool = False,
        count_pad: bool = True,
    ) -> nn.Module:
        """An average pool of kernel x kernel in space; a temporal stride averages that many frames."""
        pad = (0, padding, padding) if self.dims == 3 else padding
        return AVG_POOLS[self.dims](
            self.size(t_stride, kernel), self.size(t_stride, stride), pad, ceil_mode=ceil, count_include_pad=count_pad
        )


def pool_global(x: torch.Tensor) -> torch.Tensor:
    """The mean over all positions, (B, C, ...) -> (B, C)."""
    return x.flatten(2).mean(2)


def keep_dims(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(B, C) -> (B, C, 1, 1[, 1]) to broadcast over `like`."""
    return x.reshape(*x.shape, *(1,) * (like.dim() - 2))


def check_width(channels: float) -> None:
    """ValueError unless there are any channels, which rounding up to the least width would hide."""
    if channels <= 0:
        raise ValueError(f"a width of {channels:g} channels; it must be above 0")


def round_channels(channels: float, divisor: int = 8, floor: float = 0.9) -> int:
    """The nearest multiple of `divisor`, never below `floor` of the wish (MobileNetV2's rule)."""
    check_width(channels)
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < floor * channels else rounded


def divide_channels(channels: float, scale: float) -> int:
    """`channels * scale` for a narrower pathway: the nearest whole number, at least 1."""
    check_width(channels * scale)
    return max(1, math.floor(channels * scale + 0.5))
