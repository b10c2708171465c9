"""SelectiveKernel: branches with different receptive fields, weighed per channel (Li et al. 2019, SKNet)."""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.linear_norm import LinearNorm
from videonet.layers.nd import Nd, keep_dims, pool_global


class SelectiveKernel(nn.Module):
    """The SK unit (Li et al. 2019, arXiv 1903.06586, section 3.1), for a bottleneck's `mix` slot.

    Branch m is a grouped 3x3 of dilation m + 1, so it sees 3x3, 5x5, 7x7 ...; the mean of the branches' sum decides
    by a softmax over the branches how much of each a channel takes. Keys: `branches.m`, `squeeze`, `select`.

    branches: their number M. groups: G of every branch. ratio, least: r and L, the summary is squeezed to
    max(C / r, L) channels.
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
        branches: int = 2,
        groups: int = 32,
        ratio: int = 16,
        least: int = 32,
    ) -> None:
        super().__init__()
        if min(branches, ratio) < 1:
            raise ValueError(f"an SK unit has {branches} branches and a ratio of {ratio}; both must be at least 1")
        common = {"t": t, "t_stride": t_stride, "groups": groups, "act": relu}
        self.branches = nn.ModuleList(
            ConvNorm(nd, channels, channels, 3, stride, dilation=dilation * (m + 1), **common) for m in range(branches)
        )
        squeezed = max(channels // ratio, least)
        self.squeeze = LinearNorm(nd, channels, squeezed, act=relu, std=0.01)
        self.select = nn.Linear(squeezed, branches * channels, bias=False)
        nn.init.normal_(self.select.weight, std=0.01)

    def weights(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """The branches' maps -> (B, M, C), which sums to 1 over M."""
        summary = sum(pool_global(u) for u in maps)
        logits = self.select(self.squeeze(summary))
        return logits.unflatten(1, (len(maps), -1)).softmax(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, [T,] H, W) -> (B, C, [T',] H', W')."""
        maps = [branch(x) for branch in self.branches]
        weights = self.weights(maps)
        return sum(u * keep_dims(weights[:, m], u) for m, u in enumerate(maps))
