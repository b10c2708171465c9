"""Residual blocks with slots, one definition for images and clips.

A block is called as `block(nd, c_in, width, c_out, stride=, t=, t_stride=, dilation=)` by `trunk.stage`; what is the
same for a whole family is bound beforehand with `functools.partial`. The slots, in the order of the forward pass:
`mix` (in place of the 3x3 convolution), `gate` (on the branch's end), `act`, `shortcut`, and `context` (behind the sum;
`trunk.stage` puts it there). What hangs off a block never renumbers it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from videonet.layers.act import Act, relu
from videonet.layers.drop import DropPath
from videonet.layers.gate import Gate
from videonet.layers.nd import Nd
from videonet.layers.shortcut import Shortcut, projection

Mix = Callable[..., nn.Module]
TIMES = ("pointwise", "spatial")
STRIDES = ("spatial", "pointwise")


def choose(key: str, value: str, rule: tuple[str, ...]) -> str:
    """`value`, if `rule` has it."""
    if value not in rule:
        raise ValueError(f"{key} is {value!r}; it must be one of {', '.join(rule)}")
    return value


class Residual(nn.Module):
    """act(branch(x) + shortcut(x)), then the context: what all post-activation blocks share."""

    def __init__(
        self, nd: Nd, c_in: int, c_out: int, *, stride: int, t_stride: int, shortcut: Shortcut, act: Act
    ) -> None:
        super().__init__()
        self.shortcut = shortcut(nd, c_in, c_out, stride, t_stride) or nn.Identity()
        self.act = act(c_out)
        self.gate: nn.Module = nn.Identity()
        self.drop_path: nn.Module = nn.Identity()
        self.context: nn.Module = nn.Identity()
        self.channels = c_out

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """The residual branch up to its last norm."""
        raise AssertionError("a Residual block defines its branch")

    def residual_sum(self, x: torch.Tensor) -> torch.Tensor:
        """branch + shortcut before the last activation (what depth attention reads)."""
        return self.drop_path(self.gate(self.branch(x))) + self.shortcut(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        return self.context(self.act(self.residual_sum(x)))


class Basic(Residual):
    """Two 3x3 convolutions (He et al. 2015, section 4.1). Keys: conv1, bn1, conv2, bn2[, shortcut, gate, context].

    width is not used: both convolutions have c_out channels. Time and stride sit on the first.
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
        gate: Gate | None = None,
        act: Act = relu,
        shortcut: Shortcut = projection,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(nd, c_in, c_out, stride=stride, t_stride=t_stride, shortcut=shortcut, act=act)
        self.conv1 = nd.conv(c_in, c_out, 3, stride, t=t, t_stride=t_stride, dilation=dilation)
        self.bn1 = nd.norm(c_out)
        self.act1 = act(c_out)
        self.conv2 = nd.conv(c_out, c_out, 3, dilation=dilation)
        self.bn2 = nd.norm(c_out, zero=True)
        if gate:
            self.gate = gate(nd, c_out)
        if drop_path:
            self.drop_path = DropPath(drop_path)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """3x3 - 3x3."""
        return self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))


class Bottleneck(Residual):
    """1x1 down, 3x3, 1x1 up (He et al. 2015, section 4.1). Keys: conv1, bn1, conv2, bn2 (or mix), conv3, bn3.

    groups: of the 3x3 (ResNeXt); depthwise when it equals the width.
    time_at: "pointwise" makes the first convolution t x 1 x 1 (I3D), "spatial" the second t x 3 x 3 (CSN, X3D).
    stride_on: "spatial" strides the 3x3, "pointwise" the first 1x1 (the original release).
    mix: makes what replaces conv2 - bn2 - act, from (nd, width, stride=, t=, t_stride=, dilation=).
    act2: the activation behind bn2 where it differs from `act`. The slot `gate2` stands before it (X3D).
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
        groups: int = 1,
        time_at: str = "pointwise",
        stride_on: str = "spatial",
        mix: Mix | None = None,
        gate: Gate | None = None,
        act: Act = relu,
        act2: Act | None = None,
        shortcut: Shortcut = projection,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(nd, c_in, c_out, stride=stride, t_stride=t_stride, shortcut=shortcut, act=act)
        first = choose("stride_on", stride_on, STRIDES) == "pointwise"
        early = choose("time_at", time_at, TIMES) == "pointwise"
        space = {"stride": 1 if first else stride, "dilation": dilation}
        time = {"t": 1 if early else t, "t_stride": 1 if early else t_stride}
        self.conv1 = nd.conv(
            c_in, width, 1, stride if first else 1, t=t if early else 1, t_stride=t_stride if early else 1
        )
        self.bn1 = nd.norm(width)
        self.act1 = act(width)
        if mix:
            self.mix = mix(nd, width, **space, **time)
        else:
            self.mix = None
            self.conv2 = nd.conv(width, width, 3, groups=groups, **space, **time)
            self.bn2 = nd.norm(width)
            self.gate2: nn.Module = nn.Identity()
            self.act2 = (act2 or act)(width)
        self.conv3 = nd.conv(width, c_out, 1)
        self.bn3 = nd.norm(c_out, zero=True)
        if gate:
            self.gate = gate(nd, c_out)
        if drop_path:
            self.drop_path = DropPath(drop_path)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """1x1 - 3x3 (or mix) - 1x1."""
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.mix(x) if self.mix is not None else self.act2(self.gate2(self.bn2(self.conv2(x))))
        return self.bn3(self.conv3(x))
