"""ConvNorm: a convolution with its norm and, where wanted, an activation."""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import Act
from videonet.layers.nd import Nd


class ConvNorm(nn.Module):
    """conv - bn [- act]; the settings of `Nd.conv` and `Nd.norm` pass through. Keys: `conv`, `bn`."""

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
        groups: int = 1,
        act: Act | None = None,
        zero: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nd.conv(c_in, c_out, kernel, stride, t=t, t_stride=t_stride, dilation=dilation, groups=groups)
        self.bn = nd.norm(c_out, zero=zero)
        self.act = act(c_out) if act else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, ...) -> (B, c_out, ...)."""
        return self.act(self.bn(self.conv(x)))
