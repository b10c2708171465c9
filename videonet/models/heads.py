"""Heads: from the maps of a backbone's last stage to logits; probabilities are the work of `Network.scores`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import roi_align

from videonet.layers.linear_norm import check_batch, vector_norm
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


class Normalised(Classify):
    """Global mean of each pathway, a norm, dropout, one linear layer (SDA-xNet, Guo et al. 2024). Keys: bn, fc.

    norm: "batch", "group" (one group: see `vector_norm`) or "none". Other arguments: see `Classify`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        *,
        dropout: float = 0.0,
        init_std: float = 0.01,
        norm: str = "batch",
    ) -> None:
        super().__init__(channels, num_classes, dropout=dropout, init_std=init_std)
        self.bn = vector_norm(sum(channels), norm)

    def forward(self, pathways: Sequence[torch.Tensor]) -> torch.Tensor:
        """The last map of each pathway, (B, C, [T,] H, W) -> logits (B, num_classes)."""
        pooled = torch.cat([pool_global(x) for x in pathways], 1)
        check_batch(self.bn, pooled)
        return self.fc(self.dropout(self.bn(pooled)))

    def dense(self, pathways: Sequence[torch.Tensor], window: int) -> torch.Tensor:
        """Logits at every position of a window x window square of the maps, (B, positions, num_classes)."""
        pooled = torch.cat([pool_windows(x, window) for x in pathways], 1).transpose(1, 2)
        return self.fc(self.dropout(self.bn(pooled.flatten(0, 1)).unflatten(0, pooled.shape[:2])))


class Projected(nn.Module):
    """Global mean, a linear layer and ReLU, dropout, a linear layer (X3D, table 1: pool, conv5b, fc). Keys: lin, fc.

    hidden: channels between the two linear layers. hidden_bias: the first has a bias (GhostNet). Other arguments: see
    `Classify`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        *,
        hidden: int = 2048,
        hidden_bias: bool = False,
        dropout: float = 0.5,
        init_std: float = 0.01,
    ) -> None:
        super().__init__()
        self.lin = nn.Linear(sum(channels), hidden, bias=hidden_bias)
        nn.init.kaiming_normal_(self.lin.weight, mode="fan_out")
        if hidden_bias:
            nn.init.zeros_(self.lin.bias)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, num_classes)
        nn.init.normal_(self.fc.weight, std=init_std)
        nn.init.zeros_(self.fc.bias)

    def forward(self, pathways: Sequence[torch.Tensor]) -> torch.Tensor:
        """The last map of each pathway, (B, C, [T,] H, W) -> logits (B, num_classes)."""
        return self.project(torch.cat([pool_global(x) for x in pathways], 1))

    def dense(self, pathways: Sequence[torch.Tensor], window: int) -> torch.Tensor:
        """Logits at every position of a window x window square of the maps, (B, positions, num_classes)."""
        return self.project(torch.cat([pool_windows(x, window) for x in pathways], 1).transpose(1, 2))

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., num_classes)."""
        return self.fc(self.dropout(F.relu(self.lin(x))))


class ProjectedMax(Projected):
    """The hidden layer of `Projected` at every position, then the maximum instead of the mean (MGIC-MobileNetV3's
    release, Eliasof et al. 2023). Keys: lin, fc. It takes one pathway: positions of two do not correspond.
    """

    def forward(self, pathways: Sequence[torch.Tensor]) -> torch.Tensor:
        """The last map, (B, C, [T,] H, W) -> logits (B, num_classes)."""
        return self.fc(self.dropout(self.hidden(pathways).flatten(2).amax(2)))

    def dense(self, pathways: Sequence[torch.Tensor], window: int) -> torch.Tensor:
        """Logits at every position of a window x window square of the map, (B, positions, num_classes)."""
        x = self.hidden(pathways)
        x = x.amax(2) if x.dim() == 5 else x
        kernel = (min(window, x.shape[2]), min(window, x.shape[3]))
        return self.fc(self.dropout(F.max_pool2d(x, kernel, stride=1).flatten(2).transpose(1, 2)))

    def hidden(self, pathways: Sequence[torch.Tensor]) -> torch.Tensor:
        """The last map, (B, C, ...) -> (B, hidden, ...)."""
        if len(pathways) != 1:
            raise ValueError(f"a head that takes the maximum has one pathway, not {len(pathways)}; use Projected")
        (x,) = pathways
        positions = F.relu(self.lin(x.flatten(2).transpose(1, 2).flatten(0, 1)))
        return positions.unflatten(0, (x.shape[0], -1)).transpose(1, 2).unflatten(2, x.shape[2:])


class Roi(nn.Module):
    """Actions of people in boxes: mean over time, RoIAlign, max over the box, linear (SlowFast, section 5.1). Keys: fc.

    stride: pixels of the input for one position of the map (16 with a dilated res5). resolution: side of the aligned
    map. aligned: shift the grid by half a pixel; the models ported from Caffe2 were trained without.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        *,
        dropout: float = 0.5,
        init_std: float = 0.01,
        stride: int = 16,
        resolution: int = 7,
        aligned: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.resolution, self.aligned = stride, resolution, aligned
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(sum(channels), num_classes)
        nn.init.normal_(self.fc.weight, std=init_std)
        nn.init.zeros_(self.fc.bias)

    def forward(self, pathways: Sequence[torch.Tensor], boxes: torch.Tensor | None = None) -> torch.Tensor:
        """The last map of each pathway and boxes (N, 5) [item, x1, y1, x2, y2] in pixels -> logits (N, num_classes)."""
        if boxes is None:
            raise ValueError("a detection network takes boxes: model(clip, boxes), (N, 5) [item, x1, y1, x2, y2]")
        return self.fc(self.dropout(torch.cat([self.pool(x, boxes) for x in pathways], 1)))

    def dense(self, pathways: Sequence[torch.Tensor], window: int) -> torch.Tensor:
        """Always the error of missing boxes: a detection head has no scores of a whole clip."""
        return self(pathways)

    def pool(self, x: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """(B, C, [T,] H, W) and (N, 5) -> (N, C)."""
        x = x.mean(2) if x.dim() == 5 else x
        regions = roi_align(
            x,
            boxes.to(x.dtype),
            (self.resolution, self.resolution),
            spatial_scale=1 / self.stride,
            sampling_ratio=0,
            aligned=self.aligned,
        )
        return regions.amax((2, 3))
