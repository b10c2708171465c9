"""Gates: modules that weigh the channels of a map by a summary of the map itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from videonet.layers.nd import Nd, keep_dims, pool_global, round_channels

Gate = Callable[[Nd, int], nn.Module]


class SqueezeExcite(nn.Module):
    """Squeeze and excitation (Hu et al. 2018, section 3): x * sigmoid(fc2(relu(fc1(mean x)))). Keys: `fc1`, `fc2`.

    The two linears act on the (B, C) summary, so they have the same weights in 2-D and 3-D. Linear-shaped: a
    checkpoint with 1x1 convolutions fits after a reshape.
    """

    def __init__(
        self, channels: int, squeezed: int, *, bias: bool = True, scale: Callable[[], nn.Module] = nn.Sigmoid
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, squeezed, bias=bias)
        self.fc2 = nn.Linear(squeezed, channels, bias=bias)
        self.relu = nn.ReLU(inplace=True)
        self.scale = scale()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> the same shape."""
        weights = self.scale(self.fc2(self.relu(self.fc1(pool_global(x)))))
        return x * keep_dims(weights, x)


def squeeze_excite(ratio: int = 16, *, bias: bool = True) -> Gate:
    """A gate with C // ratio hidden channels, as released for SENet (ratio 16)."""
    if ratio < 1:
        raise ValueError(f"the ratio of a squeeze-and-excitation is {ratio}; it must be at least 1")

    def gate(nd: Nd, channels: int) -> nn.Module:
        return SqueezeExcite(channels, max(1, channels // ratio), bias=bias)

    return gate


def squeeze_excite_rounded(ratio: float = 1 / 16, divisor: int = 8) -> Gate:
    """A gate whose hidden width is a multiple of `divisor` (X3D: 1/16 and 8; never below 90 % of the wish)."""

    def gate(nd: Nd, channels: int) -> nn.Module:
        return SqueezeExcite(channels, round_channels(channels * ratio, divisor))

    return gate
