"""Spatial pyramid pooling (He et al. 2014, arXiv 1406.4729): a map of any size to a vector of one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from videonet.layers.act import find_act


class SppHead(nn.Module):
    """Maxima over grids of bins, then two hidden linear layers and the classifier (He et al. 2015, table 3).

    Keys: fc1, act1, fc2, act2, fc. Time, where there is one, is averaged first.

    channels: of each pathway's last map. bins: sides of the grids. hidden: width of the hidden layers. act: their
    activation's name. dropout: behind each of them.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        *,
        bins: Sequence[int] = (7, 3, 2, 1),
        hidden: int = 4096,
        act: str = "prelu",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.bins = tuple(bins)
        activation = find_act(act)
        self.fc1 = nn.Linear(sum(channels) * sum(b * b for b in bins), hidden)
        self.act1 = activation(hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.act2 = activation(hidden)
        self.fc = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(dropout)
        for layer, std in ((self.fc1, 0.01), (self.fc2, 0.01), (self.fc, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def pyramid(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C * bins)."""
        return torch.cat([F.adaptive_max_pool2d(x, b).flatten(1) for b in self.bins], 1)

    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        """Pyramids (..., features) -> logits (..., num_classes)."""
        x = self.dropout(self.act1(self.fc1(pooled)))
        return self.fc(self.dropout(self.act2(self.fc2(x))))

    def forward(self, pathways: Sequence[torch.Tensor]) -> torch.Tensor:
        """The last map of each pathway, (B, C, [T,] H, W) -> logits (B, num_classes)."""
        return self.classify(torch.cat([self.pyramid(still(x)) for x in pathways], 1))

    def dense(self, pathways: Sequence[torch.Tensor], window: int) -> torch.Tensor:
        """Logits at every position of a window x window square of the maps, (B, positions, num_classes)."""
        pooled = []
        for x in map(still, pathways):
            height, width = (min(window, side) for side in x.shape[2:])
            windows = x.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5).flatten(1, 2)
            pooled.append(self.pyramid(windows.flatten(0, 1)).unflatten(0, windows.shape[:2]))
        logits = self.classify(torch.cat(pooled, 2).flatten(0, 1))
        return logits.unflatten(0, pooled[0].shape[:2])


def still(x: torch.Tensor) -> torch.Tensor:
    """The mean over time of a clip's map, an image's map as it is."""
    return x.mean(2) if x.dim() == 5 else x
