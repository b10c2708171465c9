"""Deep layer aggregation (Yu et al. 2018, arXiv 1707.06484): a stage whose blocks are the leaves of a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.nd import Nd

Leaf = Callable[[int, int], nn.Module]


class PoolShortcut(nn.Module):
    """A max pool of the stride, then a projection where the channels change. Keys: [conv, bn]."""

    def __init__(self, nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1) -> None:
        super().__init__()
        self.pool = stride_pool(nd, stride, t_stride)
        self.project: nn.Module = ConvNorm(nd, c_in, c_out) if c_in != c_out else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        return self.project(self.pool(x))


def stride_pool(nd: Nd, stride: int, t_stride: int = 1) -> nn.Module:
    """The maximum of every stride x stride square, of t_stride frames; odd sizes are rounded up, as convolutions do."""
    return nd.max_pool(stride, stride, t=t_stride, t_stride=t_stride, padding=0, ceil=True)


class Tree(nn.Module):
    """A tree of 2 ** levels blocks (section 3.2, hierarchical aggregation). Keys: tree1, tree2, root[, unused].

    Its first half reads the input and its second half the first. A root joins the last two blocks with what the trees
    above it passed down: their first halves and, with `join_input`, the input.
    leaves: makes the next block from (channels in, channels out). passed: channels that the trees above pass down.
    stride, t_stride: of the first block. keep_unused: hold the projections that the authors' code has in every tree
    but reads in the innermost only: they are in the published counts and files, and never trained.
    """

    def __init__(
        self,
        nd: Nd,
        levels: int,
        leaves: Iterator[Leaf],
        c_in: int,
        c_out: int,
        *,
        stride: int = 1,
        t_stride: int = 1,
        join_input: bool = False,
        passed: int = 0,
        keep_unused: bool = False,
    ) -> None:
        super().__init__()
        passed += c_in if join_input else 0
        self.down = stride_pool(nd, stride, t_stride) if join_input else None
        self.root: nn.Module | None = None
        if levels == 1:
            self.tree1 = next(leaves)(c_in, c_out)
            self.tree2 = next(leaves)(c_out, c_out)
            self.root = ConvNorm(nd, 2 * c_out + passed, c_out, act=relu)
            return
        self.tree1 = Tree(nd, levels - 1, leaves, c_in, c_out, keep_unused=keep_unused)
        self.tree2 = Tree(nd, levels - 1, leaves, c_out, c_out, passed=passed + c_out, keep_unused=keep_unused)
        if keep_unused and c_in != c_out:
            self.unused = ConvNorm(nd, c_in, c_out).requires_grad_(False)

    def forward(self, x: torch.Tensor, passed: tuple[torch.Tensor, ...] = ()) -> torch.Tensor:
        """(B, c_in, [T,] H, W) and the maps passed down -> (B, c_out, [T',] H', W')."""
        if self.down is not None:
            passed = (*passed, self.down(x))
        first = self.tree1(x)
        if self.root is None:
            return self.tree2(first, (*passed, first))
        return self.root(torch.cat([self.tree2(first), first, *passed], 1))
