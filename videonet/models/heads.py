"""Heads: from the maps of a backbone's last stage to logits; probabilities are the work of `Network.scores`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from videonet.layers.nd import pool_global


def pool_windows(x: torch.Tensor, window: int) -> torch.Tensor:
    """Means over all of time and every window x window square at stride 1: (B, C, [T,] H, W) -> (B, C, positions).

    A map no larger than the window gives one position, the global mean.
    """
    if x.dim() == 5:
        x = x.mean(2)
    kernel = (min(window, x.shape[2]), min(window, x.shape[3]))
    return F.avg_pool2d(x, kernel, stride=1).flatten(2)


class Classify(nn.Module):
    """Global mean of each pathway, dropout, one linear layer (SlowFast, section 3.4). Keys: fc.

    channels: of each pathway's last map.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        *,
        dropout: float = 0.5,
        init_std: float = 0.01,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(sum(channels), num_classes, bias=bias)
        nn.init.normal_(self.fc.weight, std=init_std)
        if bias:
            nn.init.zeros_(self.fc.bias)

    def forward(self, pathways: Sequence[torch.Tensor]) -> torch.Tensor:
        """The last map of each pathway, (B, C, [T,] H, W) -> logits (B, num_classes)."""
        return self.fc(self.dropout(torch.cat([pool_global(x) for x in pathways], 1)))

    def dense(self, pathways: Sequence[torch.Tensor], window: int) -> torch.Tensor:
        """Logits at every position of a window x window square of the maps, (B, positions, num_classes)."""
        pooled = torch.cat([pool_windows(x, window) for x in pathways], 1)
        return self.fc(self.dropout(pooled.transpose(1, 2)))
