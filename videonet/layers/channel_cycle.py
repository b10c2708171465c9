"""ChannelCycle: a multigrid V-cycle over the channel axis (Eliasof et al. 2023, MGIC)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from videonet.layers.conv_norm import ConvNorm
from videonet.layers.nd import Nd, common_groups

COARSE_RULES = ("code", "paper")
RP_INITS = ("average", "kaiming")
Relax = Callable[[int, int, bool], nn.Module]


def level_widths(channels: int, coarsest: int, rule: str = "code") -> list[int]:
    """Channels of every level of a cycle, the dense one last.

    "code" (the release): halve at least once, and until fewer than `coarsest` are left. "paper": halve until at most
    `coarsest` are left, which may be never.
    """
    if rule not in COARSE_RULES:
        raise ValueError(f"coarse_rule is {rule!r}; it must be one of {', '.join(COARSE_RULES)}")
    widths = [channels]
    while widths[-1] > 1 and (widths[-1] > coarsest if rule == "paper" else widths[-1] >= coarsest or len(widths) == 1):
        widths.append(widths[-1] // 2)
    return widths


class ChannelCycle(nn.Module):
    """MGIC's cycle (Eliasof et al. 2023, arXiv 2011.09128, section 3): grouped blocks that still couple all channels.

    Down: the channels of each level are restricted to half as many, by a grouped 1x1. The coarsest level has a dense
    block. Up: what that changed is prolonged and added to the level above, and a grouped block smooths the sum. With
    groups of fixed size the parameters grow linearly with the channels. Keys: restrict.l, prolong.l, relax.l, with
    level 0 the finest.

    relax: makes the block of a level from (level, groups, dense). scale: channels of the maps for one of `channels`
    (the expansion of bottlenecks). group_size: channels a group, s_g; coarsest, coarse_rule: see `level_widths`.
    rp_init: of restrictions and prolongations, "average" (constant, a restriction takes the mean of a full group) or
    "kaiming" (what the release does by mistake). restrict_norm: a norm behind each restriction.
    divides: other channels of each level that its groups must divide.
    """

    def __init__(
        self,
        nd: Nd,
        channels: int,
        relax: Relax,
        *,
        scale: int = 1,
        group_size: int = 32,
        coarsest: int = 64,
        coarse_rule: str = "code",
        rp_init: str = "average",
        restrict_norm: bool = False,
        divides: Callable[[int], int] | None = None,
    ) -> None:
        super().__init__()
        if rp_init not in RP_INITS:
            raise ValueError(f"rp_init is {rp_init!r}; it must be one of {', '.join(RP_INITS)}")
        if group_size < 1:
            raise ValueError(f"group_size is {group_size}; it must be at least 1")
        self.widths = level_widths(channels, coarsest, coarse_rule)
        self.restrict, self.prolong, self.relax = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, (fine, coarse) in enumerate(zip(self.widths, self.widths[1:])):
            inner = divides(level) if divides else fine
            groups = common_groups(max(fine // group_size, 1), fine, coarse, inner)
            ends = (scale * fine, scale * coarse)
            self.restrict.append(
                ConvNorm(nd, *ends, groups=groups) if restrict_norm else nd.conv(*ends, 1, groups=groups)
            )
            self.prolong.append(ConvNorm(nd, *reversed(ends), groups=groups))
            self.relax.append(relax(level, groups, False))
        self.relax.append(relax(len(self.widths) - 1, 1, True))
        if rp_init == "average":
            for module in (*self.restrict, *self.prolong):
                nn.init.constant_(getattr(module, "conv", module).weight, 1 / (scale * group_size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, scale * channels, [T,] H, W) -> the same shape."""
        levels = [x]
        for restrict in self.restrict:
            levels.append(restrict(levels[-1]))
        solved = self.relax[-1](levels[-1])
        for level in reversed(range(len(self.restrict))):
            change = self.prolong[level](solved - levels[level + 1])
            solved = self.relax[level](levels[level] + change)
        return solved
