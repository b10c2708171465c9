"""Blocks of MGIC (Eliasof et al. 2023, arXiv 2011.09128): a connector where the shape changes, then a channel cycle.

The relaxations are the blocks of a cycle's levels: a residual block of a ResNet or MobileNetV3 whose convolutions are
grouped, or dense on the coarsest level. In 3-D the first convolution of the finest level spans t frames; where time is
strided, the connector's does.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from videonet.layers.act import hard_swish, relu
from videonet.layers.channel_cycle import ChannelCycle
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.gate import SqueezeExcite
from videonet.layers.nd import Nd, round_channels
from videonet.models.block_table import Row


class BasicRelaxation(nn.Module):
    """relu(z + 3x3 - relu - 3x3), grouped. Keys: conv1, bn1, conv2, bn2."""

    def __init__(self, nd: Nd, channels: int, groups: int, *, t: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nd.conv(channels, channels, 3, t=t, dilation=dilation, groups=groups)
        self.bn1, self.act1 = nd.norm(channels), relu(channels)
        self.conv2 = nd.conv(channels, channels, 3, dilation=dilation, groups=groups)
        self.bn2, self.act = nd.norm(channels, zero=True), relu(channels)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(B, channels, ...) -> the same shape."""
        return self.act(z + self.bn2(self.conv2(self.act1(self.bn1(self.conv1(z))))))


class BottleneckRelaxation(nn.Module):
    """relu(z + 1x1 - 3x3 - 1x1), all grouped, on scale * channels. Keys: conv1, bn1 .. conv3, bn3.

    dense: of the coarsest level, whose branch ends in a ReLU of its own, as in the release.
    """

    def __init__(
        self, nd: Nd, channels: int, scale: int, groups: int, dense: bool, *, t: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        outer = scale * channels
        self.conv1 = nd.conv(outer, channels, 1, t=t, groups=groups)
        self.bn1, self.act1 = nd.norm(channels), relu(channels)
        self.conv2 = nd.conv(channels, channels, 3, dilation=dilation, groups=groups)
        self.bn2, self.act2 = nd.norm(channels), relu(channels)
        self.conv3 = nd.conv(channels, outer, 1, groups=groups)
        self.bn3 = nd.norm(outer, zero=not dense)  # a branch of zeros would never leave its ReLU
        self.act3 = relu(outer) if dense else nn.Identity()
        self.act = relu(outer)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(B, scale * channels, ...) -> the same shape."""
        x = self.act1(self.bn1(self.conv1(z)))
        x = self.act2(self.bn2(self.conv2(x)))
        return self.act(z + self.act3(self.bn3(self.conv3(x))))


class InvertedRelaxation(nn.Module):
    """relu(z + y) + z with y of MobileNetV3: [1x1 up -] depthwise - 1x1 down, the 1x1 grouped.

    Keys: [expand.conv, expand.bn, ]depthwise.conv, depthwise.bn, project.conv, project.bn[, gate]. The gate stands
    before the activation of the depthwise convolution, or behind it where there is no expansion.
    """

    def __init__(
        self, nd: Nd, channels: int, width: int, row: Row, groups: int, *, t: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        act = hard_swish if row.hard else relu
        expands = width != channels
        self.expand: nn.Module = nn.Identity()
        if expands:
            self.expand = ConvNorm(nd, channels, width, t=t, groups=groups, act=act)
        space = {"dilation": dilation, "groups": width, "t": 1 if expands else t}
        self.depthwise = ConvNorm(nd, width, width, row.kernel, **space)
        gate: nn.Module = nn.Identity()
        if row.se:
            gate = SqueezeExcite(width, round_channels(max(width // 4, 1), 8), scale=nn.Hardsigmoid)
        self.gate, self.act, self.gate_first = gate, act(width), expands
        self.project = ConvNorm(nd, width, channels, groups=groups, zero=True)
        self.sum_act = relu(channels)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(B, channels, ...) -> the same shape."""
        y = self.depthwise(self.expand(z))
        y = self.act(self.gate(y)) if self.gate_first else self.gate(self.act(y))
        return self.sum_act(self.project(y) + z) + z


class MultigridBlock(nn.Module):
    """A ResNet's MGIC block (section 3): [depthwise 3x3 connector - ] cycle. Keys: [connector, ]cycle[, context].

    c_out = width makes basic relaxations, c_out = 4 * width bottlenecks. The connector has one group for each channel
    that goes in, or as many as divide both sides. cycle: group_size, coarsest, coarse_rule, rp_init of `ChannelCycle`.
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
        **cycle: int | str,
    ) -> None:
        super().__init__()
        scale = c_out // width
        self.connector: nn.Module = nn.Identity()
        if c_in != c_out or stride > 1 or t_stride > 1:
            time = {"t": t if t_stride > 1 else 1, "t_stride": t_stride}
            groups = math.gcd(c_in, c_out)
            self.connector = ConvNorm(nd, c_in, c_out, 3, stride, dilation=dilation, groups=groups, act=relu, **time)

        def relax(level: int, groups: int, dense: bool) -> nn.Module:
            settings = {"t": t if level == 0 and t_stride == 1 else 1, "dilation": dilation}
            channels = width // 2**level
            if scale == 1:
                return BasicRelaxation(nd, channels, groups, **settings)
            return BottleneckRelaxation(nd, channels, scale, groups, dense, **settings)

        self.cycle = ChannelCycle(nd, width, relax, scale=scale, **cycle)
        self.context: nn.Module = nn.Identity()
        self.channels = c_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        return self.context(self.cycle(self.connector(x)))


class MultigridInverted(nn.Module):
    """A MobileNetV3's MGIC block: [1x1 connector - ] cycle of inverted blocks. Keys: [connector, ]cycle[, context].

    row.width is the expanded width of the finest level. cycle: as in `MultigridBlock`.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        row: Row,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        **cycle: int | str,
    ) -> None:
        super().__init__()
        self.connector: nn.Module = nn.Identity()
        if c_in != row.channels or row.down or t_stride > 1:
            time = {"t": t if t_stride > 1 else 1, "t_stride": t_stride}
            self.connector = nd.conv(c_in, row.channels, 1, stride, **time)

        def width(level: int) -> int:
            return row.width // 2**level

        def relax(level: int, groups: int, dense: bool) -> nn.Module:
            time = t if level == 0 and t_stride == 1 else 1
            channels = row.channels // 2**level
            return InvertedRelaxation(nd, channels, width(level), row, groups, t=time, dilation=dilation)

        self.cycle = ChannelCycle(nd, row.channels, relax, restrict_norm=True, divides=width, **cycle)
        self.context: nn.Module = nn.Identity()
        self.channels = row.channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, channels, [T',] H', W')."""
        return self.context(self.cycle(self.connector(x)))
