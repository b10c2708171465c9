"""Shortcuts of residual blocks. Each factory gives a module, or None where the input passes unchanged."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from videonet.layers.conv_norm import ConvNorm
from videonet.layers.nd import Nd

Shortcut = Callable[[Nd, int, int, int, int], nn.Module | None]


def _same(c_in: int, c_out: int, stride: int, t_stride: int) -> bool:
    return c_in == c_out and stride == t_stride == 1


def projection(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """Option B (He et al. 2015, section 3.3): a 1x1 convolution and norm, only where the shape changes."""
    if _same(c_in, c_out, stride, t_stride):
        return None
    return ConvNorm(nd, c_in, c_out, 1, stride, t_stride=t_stride)


def all_projections(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module:
    """Option C (He et al. 2015, section 3.3): every shortcut is a projection."""
    return ConvNorm(nd, c_in, c_out, 1, stride, t_stride=t_stride)


def zero_padding(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """Option A (He et al. 2015, section 3.3): subsample, then zero channels; no parameters."""
    if _same(c_in, c_out, stride, t_stride):
        return None
    if c_out < c_in:
        raise ValueError(
            f"a zero-padded shortcut (option A) cannot go from {c_in} to {c_out} channels; "
            'use shortcut "B", or fusion "sum" in a SlowFast'
        )
    return ZeroPadding(c_out - c_in, stride, t_stride)


def no_shortcut(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module:
    """A plain network's block: nothing is added (He et al. 2015, section 3.3, "plain")."""
    return Nothing()


class ZeroPadding(nn.Module):
    """Every stride-th position, and `extra` zero channels after the input's."""

    def __init__(self, extra: int, stride: int, t_stride: int) -> None:
        super().__init__()
        self.extra, self.stride, self.t_stride = extra, stride, t_stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, [T,] H, W) -> (B, C + extra, [T',] H', W')."""
        x = x[..., :: self.stride, :: self.stride]
        if x.dim() == 5:
            x = x[:, :, :: self.t_stride]
        return F.pad(x, (0, 0) * (x.dim() - 2) + (0, self.extra))


class Nothing(nn.Module):
    """Zero, whatever the input: turns a residual block into a plain one."""

    def forward(self, x: torch.Tensor) -> int:
        """Any tensor -> 0."""
        return 0


class PoolProjection(nn.Module):
    """An average pool, then a 1x1 convolution and norm ("ResNet-D", He et al. 2019, section 4.2). Keys: conv, bn."""

    def __init__(self, nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> None:
        super().__init__()
        self.pool = nd.avg_pool(stride, stride, t_stride=t_stride, ceil=True, count_pad=False)
        self.conv = nd.conv(c_in, c_out, 1)
        self.bn = nd.norm(c_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, ...) -> (B, c_out, ...), strided."""
        return self.bn(self.conv(self.pool(x)))


def pool_projection(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """PoolProjection where the shape changes."""
    return None if _same(c_in, c_out, stride, t_stride) else PoolProjection(nd, c_in, c_out, stride, t_stride)


class MaxPoolProjection(PoolProjection):
    """A max pool 3x3, then a 1x1 convolution and norm (PyConv, Duta et al. 2020, as released). Keys: conv, bn."""

    def __init__(self, nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> None:
        super().__init__(nd, c_in, c_out, stride, t_stride)
        self.pool = nd.max_pool(3, stride, t=t_stride, t_stride=t_stride)


def max_pool_projection(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """MaxPoolProjection where the shape changes."""
    return None if _same(c_in, c_out, stride, t_stride) else MaxPoolProjection(nd, c_in, c_out, stride, t_stride)


SHORTCUTS: dict[str, Shortcut] = {
    "A": zero_padding,
    "B": projection,
    "C": all_projections,
    "D": pool_projection,
    "max": max_pool_projection,
    "none": no_shortcut,
}


def find_shortcut(name: str) -> Shortcut:
    """The shortcut of that name, for configs."""
    if name not in SHORTCUTS:
        raise ValueError(f"shortcut {name!r} is unknown; there are {', '.join(SHORTCUTS)}")
    return SHORTCUTS[name]
