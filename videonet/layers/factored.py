"""A convolution over space and one over time in place of one over both ((2+1)-D)."""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.nd import Nd


def middle_channels(c_in: int, c_out: int, t: int, kernel: int) -> int:
    """Channels that give the pair as many weights as a t x kernel x kernel (Tran et al. 2018, section 3.5)."""
    area = kernel * kernel
    return t * area * c_in * c_out // (area * c_in + t * c_out)


class Factored(nn.Module):
    """1 x k x k, norm, ReLU, t x 1 x 1 (Tran et al. 2018, "R(2+1)D", section 3.5). Keys: space, bn, time.

    middle: channels between the two. time_first: t x 1 x 1 comes first, as in pytorchvideo. The spatial part takes
    `stride`, the temporal one `t_stride`.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        c_out: int,
        middle: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        time_first: bool = False,
    ) -> None:
        super().__init__()
        before, after = (middle, c_out) if time_first else (c_in, middle)
        self.space = nd.conv(before, after, kernel, stride, dilation=dilation)
        before, after = (c_in, middle) if time_first else (middle, c_out)
        self.time = nd.conv(before, after, 1, t=t, t_stride=t_stride)
        self.bn = nd.norm(middle)
        self.act = relu(middle)
        self.time_first = time_first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, T, H, W) -> (B, c_out, T', H', W')."""
        first, second = (self.time, self.space) if self.time_first else (self.space, self.time)
        return second(self.act(self.bn(first(x))))
