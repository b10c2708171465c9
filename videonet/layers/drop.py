"""DropPath: stochastic depth."""

from __future__ import annotations

import torch
from torch import nn


class DropPath(nn.Module):
    """Drops whole residual branches per sample in training (Huang et al. 2016, "Deep Networks with Stochastic Depth").

    rate: probability of dropping; a branch that stays is divided by 1 - rate, so evaluation needs no change.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"DropPath rate is {rate}; it must lie in [0, 1)")
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape (B, ...) -> the same."""
        if not self.training or self.rate == 0:
            return x
        keep = torch.rand(x.shape[0], *(1,) * (x.dim() - 1), device=x.device) >= self.rate
        return x * keep.to(x.dtype) / (1 - self.rate)
