"""Pre-activation residual blocks (He et al. 2016, "Identity Mappings in Deep Residual Networks", arXiv 1603.05027).

Norm and activation stand before each convolution and nothing follows the sum, so the identity runs through a whole
stage. Called like the blocks of `models.blocks`, with the same slots.
"""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import Act, apart, relu
from videonet.layers.drop import DropPath
from videonet.layers.gate import Gate
from videonet.layers.nd import Nd
from videonet.layers.shortcut import Shortcut, no_shortcut, zero_padding
from videonet.models.blocks import STRIDES, TIMES, choose

ENTRIES = ("auto", "branch", "shared", "plain")


def convolution(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module | None:
    """Option B of a pre-activation net: a 1x1 convolution without a norm, only where the shape changes."""
    if c_in == c_out and stride == t_stride == 1:
        return None
    return nd.conv(c_in, c_out, 1, stride, t_stride=t_stride)


def all_convolutions(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> nn.Module:
    """Option C of a pre-activation net: a 1x1 convolution on every shortcut (table 1, "1x1 conv shortcut")."""
    return nd.conv(c_in, c_out, 1, stride, t_stride=t_stride)


PREACT_SHORTCUTS: dict[str, Shortcut] = {
    "A": zero_padding,
    "B": convolution,
    "C": all_convolutions,
    "none": no_shortcut,
}


def find_preact_shortcut(name: str) -> Shortcut:
    """The shortcut of that name, for configs."""
    if name not in PREACT_SHORTCUTS:
        raise ValueError(f"shortcut {name!r} is not one of a pre-activation net: {', '.join(PREACT_SHORTCUTS)}")
    return PREACT_SHORTCUTS[name]


class PreAct(nn.Module):
    """shortcut(x) + branch(x), then the context: what all pre-activation blocks share.

    entry: what the first norm and activation do. "branch": they belong to the branch, the shortcut takes x as it
        is. "shared": the shortcut takes the activated x too. "plain": there are none, because the stem ends with them.
        "auto": "shared" where the shape changes, "branch" elsewhere (the rule of the released code).
    """

    def __init__(
        self, nd: Nd, c_in: int, c_out: int, *, stride: int, t_stride: int, entry: str, shortcut: Shortcut, act: Act
    ) -> None:
        super().__init__()
        entry = choose("entry", entry, ENTRIES)
        if entry == "auto":
            entry = "branch" if c_in == c_out and stride == t_stride == 1 else "shared"
        self.shared = entry == "shared"
        self.bn1 = nn.Identity() if entry == "plain" else nd.norm(c_in)
        first = apart(act) if nd.norm_policy == "none" else act  # without a norm it acts on the shortcut's input itself
        self.act1 = nn.Identity() if entry == "plain" else first(c_in)
        self.shortcut = shortcut(nd, c_in, c_out, stride, t_stride) or nn.Identity()
        self.gate: nn.Module = nn.Identity()
        self.drop_path: nn.Module = nn.Identity()
        self.context: nn.Module = nn.Identity()
        self.channels = c_out

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """The residual branch behind its first norm and activation."""
        raise AssertionError("a PreAct block defines its branch")

    def end_branch(self, nd: Nd, last: nn.Module, gate: Gate | None, drop_path: float) -> None:
        """Close the branch: `last` starts at zero where the factory wants branches to."""
        if nd.zero_init:
            nn.init.zeros_(last.weight)
        if gate:
            self.gate = gate(nd, self.channels)
        if drop_path:
            self.drop_path = DropPath(drop_path)

    def residual_sum(self, x: torch.Tensor) -> torch.Tensor:
        """branch + shortcut."""
        ready = self.act1(self.bn1(x))
        return self.drop_path(self.gate(self.branch(ready))) + self.shortcut(ready if self.shared else x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W'), not activated."""
        return self.context(self.residual_sum(x))


class PreActBasic(PreAct):
    """Two 3x3 convolutions behind their norms. Keys: bn1, conv1, bn2, conv2[, shortcut, gate, context].

    width is not used. Time and stride sit on the first convolution. dropout: before the second (Wide ResNet, Zagoruyko
    & Komodakis 2016, section 2.4).
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        width: int,
        c_out: int,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        entry: str = "auto",
        gate: Gate | None = None,
        act: Act = relu,
        shortcut: Shortcut = convolution,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(nd, c_in, c_out, stride=stride, t_stride=t_stride, entry=entry, shortcut=shortcut, act=act)
        self.conv1 = nd.conv(c_in, c_out, 3, stride, t=t, t_stride=t_stride, dilation=dilation)
        self.bn2 = nd.norm(c_out)
        self.act2 = act(c_out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nd.conv(c_out, c_out, 3, dilation=dilation)
        self.end_branch(nd, self.conv2, gate, drop_path)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """3x3 - bn - act - [dropout] - 3x3."""
        return self.conv2(self.dropout(self.act2(self.bn2(self.conv1(x)))))


class PreActBottleneck(PreAct):
    """1x1 down, 3x3, 1x1 up, each behind its norm. Keys: bn1, conv1, bn2, conv2, bn3, conv3[, shortcut, gate, context].

    groups: of the 3x3 (the pre-activated ResNeXt). time_at, stride_on: as in `Bottleneck`.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        width: int,
        c_out: int,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        time_at: str = "pointwise",
        stride_on: str = "spatial",
        entry: str = "auto",
        gate: Gate | None = None,
        act: Act = relu,
        shortcut: Shortcut = convolution,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(nd, c_in, c_out, stride=stride, t_stride=t_stride, entry=entry, shortcut=shortcut, act=act)
        first = choose("stride_on", stride_on, STRIDES) == "pointwise"
        early = choose("time_at", time_at, TIMES) == "pointwise"
        time, none = {"t": t, "t_stride": t_stride}, {}
        self.conv1 = nd.conv(c_in, width, 1, stride if first else 1, **(time if early else none))
        self.bn2 = nd.norm(width)
        self.act2 = act(width)
        self.conv2 = nd.conv(
            width, width, 3, 1 if first else stride, dilation=dilation, groups=groups, **(none if early else time)
        )
        self.bn3 = nd.norm(width)
        self.act3 = act(width)
        self.conv3 = nd.conv(width, c_out, 1)
        self.end_branch(nd, self.conv3, gate, drop_path)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """1x1 - bn - act - 3x3 - bn - act - 1x1."""
        x = self.conv2(self.act2(self.bn2(self.conv1(x))))
        return self.conv3(self.act3(self.bn3(x)))
