"""DepthAttention: the outputs of a stage's blocks, weighed per channel (Guo et al. 2024, SDA-xNet)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.linear_norm import LinearNorm
from videonet.layers.nd import Nd, keep_dims, pool_global


class DepthAttention(nn.Module):
    """Selective depth attention (Guo et al. 2024, doi 10.1109/TAI.2024.3401652): SKNet's selection, among depths.

    The mean of the maps' sum is squeezed to max(C / ratio, least) channels; a softmax over the depth, for each channel
    of each sample, weighs the maps. Keys: `squeeze`, `select.i` for block i.
    """

    def __init__(self, nd: Nd, channels: int, depth: int, *, ratio: int = 16, least: int = 64) -> None:
        super().__init__()
        if ratio < 1:
            raise ValueError(f"the ratio of the depth attention is {ratio}; it must be at least 1")
        squeezed = max(channels // ratio, least)
        self.squeeze = LinearNorm(nd, channels, squeezed, act=relu)
        self.select = nn.ModuleList(nn.Linear(squeezed, channels) for _ in range(depth))
        for linear in self.select:
            nd.initialise(linear)

    def weights(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """The maps -> (B, depth, C), which sums to 1 over the depth."""
        summary = self.squeeze(sum(pool_global(z) for z in maps))
        return torch.stack([linear(summary) for linear in self.select], 1).softmax(1)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """One map (B, C, [T,] H, W) of each block -> their weighted sum."""
        weights = self.weights(maps)
        return sum(z * keep_dims(weights[:, i], z) for i, z in enumerate(maps))
