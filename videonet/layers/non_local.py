"""Non-local blocks (Wang et al. 2018, "Non-local Neural Networks", arXiv 1711.07971), for images and clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from videonet.layers.nd import Nd

MODES = ("softmax", "dot_product", "gaussian", "concatenation")


class NonLocal(nn.Module):
    """x + bn(out(sum over j of f(x_i, x_j) g(x_j))), j over all positions in space and time (section 3).

    Keys: theta, phi (not for "gaussian"), relation ("concatenation" only), g, out, bn; bn starts at zero, so that a new
    block is the identity (section 4.1).

    inner: channels inside, half of `channels` as published.
    mode: f. "softmax" (embedded Gaussian, scaled by inner ** -0.5 as released), "dot_product", "gaussian",
        "concatenation" (section 3.2).
    pool: frames, rows and columns that a max pool joins before phi and g (section 3.3); all 1 for none.
    groups: parts of the clip that see only themselves: time is folded into the batch (as released with SlowFast).
    """

    def __init__(
        self,
        nd: Nd,
        channels: int,
        inner: int,
        *,
        mode: str = "softmax",
        pool: Sequence[int] = (1, 2, 2),
        groups: int = 1,
    ) -> None:
        super().__init__()
        check_settings(mode, pool, groups)
        self.mode, self.groups = mode, groups
        self.embeds = mode != "gaussian"
        if self.embeds:
            self.theta = nd.conv(channels, inner, 1, bias=True)
            self.phi = nd.conv(channels, inner, 1, bias=True)
        if mode == "concatenation":
            self.relation = nn.Linear(2 * inner, 1, bias=False)
        self.g = nd.conv(channels, inner, 1, bias=True)
        self.out = nd.conv(inner, channels, 1, bias=True)
        self.bn = nd.norm(channels)
        nn.init.zeros_(getattr(self.bn, "weight", self.out.weight))
        t, space, _ = pool
        self.pool = nd.max_pool(space, space, t=t, t_stride=t, padding=0) if max(pool) > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, [T,] H, W) -> the same shape."""
        folded = fold_time(x, self.groups)
        pooled = self.pool(folded)
        queries = (self.theta(folded) if self.embeds else folded).flatten(2).transpose(1, 2)
        keys = (self.phi(pooled) if self.embeds else pooled).flatten(2)
        seen = torch.bmm(self.weigh(queries, keys), self.g(pooled).flatten(2).transpose(1, 2))
        seen = seen.transpose(1, 2).reshape(folded.shape[0], -1, *folded.shape[2:])
        return x + unfold_time(self.bn(self.out(seen)), self.groups)

    def weigh(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """The weights f of all pairs, (B, N, inner) and (B, inner, M) -> (B, N, M)."""
        if self.mode == "concatenation":
            first, second = self.relation.weight.chunk(2, 1)
            return torch.relu(queries @ first.T + (second @ keys)) / keys.shape[2]
        if self.mode == "softmax":
            queries = queries * queries.shape[2] ** -0.5
        products = torch.bmm(queries, keys)
        return products / keys.shape[2] if self.mode == "dot_product" else products.softmax(2)


def check_settings(mode: str, pool: Sequence[int], groups: int) -> None:
    """The error of settings that no non-local block has."""
    if mode not in MODES:
        raise ValueError(f"non_local: mode is {mode!r}; it must be one of {', '.join(MODES)}")
    if len(pool) != 3 or min(pool) < 1 or pool[1] != pool[2]:
        raise ValueError(f"non_local: pool is {list(pool)}; it must be frames, rows, columns, the last two equal")
    if groups < 1:
        raise ValueError(f"non_local: groups is {groups}; it must be 1 or more")


def fold_time(x: torch.Tensor, groups: int) -> torch.Tensor:
    """(B, C, T, H, W) -> (B groups, C, T / groups, H, W)."""
    if groups == 1:
        return x
    if x.dim() != 5 or x.shape[2] % groups:
        frames = x.shape[2] if x.dim() == 5 else "no"
        raise ValueError(f"non_local: {frames} frames do not split into {groups} groups")
    parts = x.unflatten(2, (groups, -1)).transpose(1, 2)
    return parts.flatten(0, 1)


def unfold_time(x: torch.Tensor, groups: int) -> torch.Tensor:
    """The inverse of `fold_time`."""
    return x if groups == 1 else x.unflatten(0, (-1, groups)).transpose(1, 2).flatten(2, 3)
