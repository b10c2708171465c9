"""GhostModule: half of the maps by a convolution, the rest by cheap depthwise ones of these (Han et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import nn

from videonet.layers.act import Act, relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.nd import Nd


class GhostModule(nn.Module):
    """In place of a kernel x kernel convolution with norm and activation (arXiv 1911.11907, section 3.1).

    c_out / ratio intrinsic maps come from a convolution; a depthwise one makes ratio - 1 ghosts of each, behind them.
    Keys: `primary`, `cheap`. ratio, cheap_kernel: s and d of the paper. zero: the module ends a residual branch.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        c_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        ratio: int = 2,
        cheap_kernel: int = 3,
        act: Act | None = relu,
        zero: bool = False,
    ) -> None:
        super().__init__()
        if ratio < 2:
            raise ValueError(f"the ratio of a Ghost module is {ratio}; it must be 2 or more, 1 has no ghosts")
        if cheap_kernel % 2 == 0:
            raise ValueError(f"the cheap kernel of a Ghost module is {cheap_kernel}; it must be odd, to keep the size")
        intrinsic = math.ceil(c_out / ratio)
        space = {"kernel": kernel, "stride": stride, "dilation": dilation}
        self.primary = ConvNorm(nd, c_in, intrinsic, **space, t=t, t_stride=t_stride, act=act, zero=zero)
        self.cheap = ConvNorm(
            nd, intrinsic, intrinsic * (ratio - 1), cheap_kernel, groups=intrinsic, act=act, zero=zero
        )
        self.channels = c_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        intrinsic = self.primary(x)
        return torch.cat([intrinsic, self.cheap(intrinsic)], 1)[:, : self.channels]
