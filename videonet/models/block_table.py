"""Mobile networks: stages from a table whose rows differ, behind a stem with the table's first block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from videonet.layers.act import Act, relu
from videonet.layers.nd import Nd
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem


@dataclass(frozen=True)
class Row:
    """One block: its kernel, the width inside, its output channels, and what else a family tells it.

    se: has squeeze and excitation. hard: activates by hard-swish. down: opens a stage with its stride.
    """

    kernel: int
    width: int
    channels: int
    se: bool = False
    hard: bool = False
    down: bool = False


Block = Callable[..., nn.Module]


class BlockStem(Stem):
    """conv / 2 - bn - act, then the blocks that come before the first stride. Keys: conv, bn, blocks.i."""

    def __init__(
        self,
        nd: Nd,
        channels: int,
        block: Block,
        rows: Sequence[Row],
        *,
        kernel: int = 3,
        stride: int = 2,
        t: int = 1,
        t_stride: int = 1,
        act: Act = relu,
    ) -> None:
        super().__init__(nd, channels, kernel=kernel, stride=stride, t=t, t_stride=t_stride, pool=False, act=act)
        before = [channels, *(row.channels for row in rows)]
        self.blocks = nn.Sequential(*(block(nd, c_in, row) for c_in, row in zip(before, rows)))
        self.channels = before[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, [T,] H, W) -> (B, channels, [T',] H / stride, W / stride)."""
        return self.blocks(super().forward(x))


def table_stages(
    nd: Nd, block: Block, table: Sequence[Sequence[Row]], c_in: int, *, pathway: Pathway = IMAGE
) -> list[nn.Sequential]:
    """The stages res2 .. of a table: `block(nd, c_in, row, stride=, t=, t_stride=, dilation=)` for every row.

    A row with `down` has stride 2, or 1 where the pathway keeps the size.
    """
    stages = []
    for index, rows in enumerate(table):
        blocks = []
        for i, (row, t) in enumerate(zip(rows, pathway.kernels(index, len(rows)))):
            one = block(
                nd,
                c_in + (0 if i else pathway.fused[index]),
                row,
                stride=pathway.stride(index, 2) if row.down else 1,
                t=t,
                t_stride=1 if i else pathway.t_strides[index],
                dilation=pathway.dilation(index),
            )
            if i in pathway.context_at[index]:
                one.context = pathway.context(nd, row.channels, index)
            blocks.append(one)
            c_in = row.channels
        stages.append(nn.Sequential(*blocks))
    return stages
