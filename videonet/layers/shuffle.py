"""ChannelShuffle: lets the groups of one grouped convolution reach all groups of the next (Zhang et al. 2018)."""

from __future__ import annotations

import torch
from torch import nn

ORDERS = ("paper", "inverse")


def shuffle_channels(x: torch.Tensor, groups: int, order: str = "paper") -> torch.Tensor:
    """The channels of (B, groups * n, ...) in another order (ShuffleNet, section 3.1).

    "paper" sends channel i * n + j to j * groups + i; "inverse" is the inverse permutation, which the authors' released
    code computes. Weights of one are not weights of the other.
    """
    if order not in ORDERS:
        raise ValueError(f"shuffle order is {order!r}; it must be one of {', '.join(ORDERS)}")
    channels = x.shape[1]
    if channels % groups:
        raise ValueError(f"{groups} groups do not divide {channels} channels, so these cannot be shuffled")
    rows = groups if order == "paper" else channels // groups
    return x.unflatten(1, (rows, channels // rows)).transpose(1, 2).flatten(1, 2)


class ChannelShuffle(nn.Module):
    """`shuffle_channels` as a layer without parameters."""

    def __init__(self, groups: int, order: str = "paper") -> None:
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"shuffle order is {order!r}; it must be one of {', '.join(ORDERS)}")
        self.groups, self.order = groups, order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> the same shape."""
        return shuffle_channels(x, self.groups, self.order)

    def extra_repr(self) -> str:
        """What print shows."""
        return f"groups={self.groups}, order={self.order!r}"
