"""PyramidConv: convolutions with kernels of several sizes beside each other (Duta et al. 2020, PyConv)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.nd import Nd, common_groups


class PyramidConv(nn.Module):
    """The pyramidal convolution (Duta et al. 2020, arXiv 2006.11538, section 3), for a bottleneck's `mix` slot.

    Every level reads all channels and gives a share of them; larger kernels have more groups. Keys: `convs.i`, `bn`.
    levels: (kernel, groups, share) of each: a share of 4 is a quarter of the channels; the last takes what is left.
    """

    def __init__(
        self,
        nd: Nd,
        channels: int,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        levels: Sequence[tuple[int, int, int]] = ((3, 1, 4), (5, 4, 4), (7, 8, 4), (9, 16, 4)),
    ) -> None:
        super().__init__()
        outputs = [channels // share for _, _, share in levels[:-1]]
        outputs.append(channels - sum(outputs))
        settings = {"stride": stride, "t": t, "t_stride": t_stride, "dilation": dilation}
        self.convs = nn.ModuleList(
            nd.conv(channels, c_out, kernel, groups=common_groups(groups, channels, c_out), **settings)
            for c_out, (kernel, groups, _) in zip(outputs, levels)
        )
        self.bn = nd.norm(channels)
        self.act = relu(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, [T,] H, W) -> (B, C, [T',] H', W')."""
        return self.act(self.bn(torch.cat([conv(x) for conv in self.convs], 1)))
