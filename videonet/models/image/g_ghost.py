"""G-Ghost RegNetX (Han et al. 2022, arXiv 2201.03297): stages whose later blocks leave part of the channels alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.linear_norm import LinearNorm
from videonet.layers.nd import Nd, keep_dims, pool_global
from videonet.models.blocks import Bottleneck
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, stage

# depths, widths, group width of RegNetX at each cost in megaflops (Radosavovic et al. 2020, table 7)
REGNETS = {
    "002": ((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "004": ((1, 2, 7, 12), (32, 64, 160, 384), 16),
    "006": ((1, 3, 5, 7), (48, 96, 240, 528), 24),
    "008": ((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "016": ((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "032": ((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "040": ((2, 5, 14, 2), (80, 240, 560, 1360), 40),
    "064": ((2, 4, 10, 1), (168, 392, 784, 1624), 56),
    "080": ((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "120": ((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "160": ((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "320": ((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
}
Block = Callable[..., nn.Module]


class GhostStage(nn.Module):
    """A stage of which only the first and last block see all channels (Han et al. 2022, "stage-wise redundancy").

    The blocks between work on the first `raw` channels of the first block's output. The other channels come from it by
    one 1x1 convolution, and are told what the blocks did by a squeeze of all their outputs (`merge`). The last block
    reads both, joined. Keys: 0, 1, ... as in the plain stage, `cheap`, `merge.0`, `merge.1`.

    blocks: first, those between, last.
    """

    def __init__(self, nd: Nd, blocks: list[nn.Module], width: int, raw: int) -> None:
        super().__init__()
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)
        cheap = width - raw
        self.cheap = ConvNorm(nd, cheap, cheap)
        joined = width + raw * (len(blocks) - 2)
        self.merge = nn.Sequential(LinearNorm(nd, joined, cheap, act=relu), LinearNorm(nd, cheap, cheap))
        self.act = relu(cheap)
        self.raw, self.depth = raw, len(blocks)

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks in their order."""
        return [getattr(self, str(i)) for i in range(self.depth)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, width, [T',] H', W')."""
        first, *between, last = self.blocks
        whole = first(x)
        x, cheap = whole[:, : self.raw], self.cheap(whole[:, self.raw :])
        summaries = [pool_global(whole)]
        for block in between:
            x = block(x)
            summaries.append(pool_global(x))
        cheap = self.act(cheap + keep_dims(self.merge(torch.cat(summaries, 1)), cheap))
        return last(torch.cat([x, cheap], 1))


def raw_width(width: int, group_width: int) -> int:
    """Channels of the blocks between: half of the stage's, in groups of three quarters of the group width."""
    narrow = max(1, int(0.75 * group_width))
    return max(1, int(width * 0.5 / narrow)) * narrow


def ghost_stage(
    nd: Nd, index: int, depth: int, c_in: int, width: int, group_width: int, *, pathway: Pathway, **settings: object
) -> GhostStage:
    """A `GhostStage` of `depth` blocks, of which the first strides; settings: those of `Bottleneck`."""
    raw = raw_width(width, group_width)
    narrow = max(1, int(0.75 * group_width))
    blocks = []
    for i, t in enumerate(pathway.kernels(index, depth)):
        first, whole = i == 0, i in (0, depth - 1)
        c_out = width if whole else raw
        block = Bottleneck(
            nd,
            c_in + pathway.fused[index] if first else c_out,
            c_out,
            c_out,
            stride=pathway.stride(index, 2) if first else 1,
            t=t,
            t_stride=pathway.t_strides[index] if first else 1,
            dilation=pathway.dilation(index),
            groups=grouping(c_out, group_width if whole else narrow),
            **settings,
        )
        if i in pathway.context_at[index]:
            block.context = pathway.context(nd, c_out, index)
        blocks.append(block)
    return GhostStage(nd, blocks, width, raw)


def grouping(width: int, group_width: int) -> int:
    """Groups of `group_width` channels, one where the layer is narrower."""
    return width // min(width, group_width)


def g_ghost_regnetx(
    nd: Nd, *, size: str = "032", time_at: str = "pointwise", drop_path: float = 0.0, pathway: Pathway = IMAGE
) -> Trunk:
    """The trunk of a G-Ghost RegNetX; res4, and res3 and res5 where they have more than two blocks, are ghost stages.

    size: megaflops of the RegNetX it is made from, in hundreds ("002" .. "320"). A narrower pathway narrows the groups
    as well, so that their number stays.
    time_at: in 3-D, "pointwise" (t x 1 x 1) or "spatial" (t x 3 x 3). drop_path: rate of each branch.
    """
    if size not in REGNETS:
        raise ValueError(f"size is {size!r}; a G-Ghost RegNetX has one of {', '.join(REGNETS)}")
    depths, widths, group_width = REGNETS[size]
    group_width = pathway.width(group_width)
    stem = Stem(nd, pathway.width(32), kernel=3, t=pathway.stem_t, t_stride=pathway.stem_t_stride, pool=False)
    settings = {"time_at": time_at, "drop_path": drop_path}
    row, channels = [], [stem.channels]
    for i, depth in enumerate(depths):
        width = pathway.width(widths[i])
        width = max(1, round(width / min(width, group_width))) * min(width, group_width)
        if i == 2 or (i > 0 and depth > 2):
            row.append(ghost_stage(nd, i, depth, channels[-1], width, group_width, pathway=pathway, **settings))
        else:
            block = partial(Bottleneck, groups=grouping(width, group_width), **settings)
            row.append(stage(nd, block, i, depth, channels[-1], width, width, pathway=pathway))
        channels.append(width)
    strides = (4, 8, 16, 16 * pathway.stride(3, 2))
    return Trunk(nd, stem, row, channels[1:], strides=strides, pool_t=pathway.pool_t)


VARIANTS = {
    f"g_ghost_regnetx_{size}": Variant(
        g_ghost_regnetx,
        {"size": size},
        head_settings={"dropout": 0.2},
        doc=f"G-Ghost RegNetX (Han et al. 2022, arXiv 2201.03297), from the RegNetX of {int(size) * 100} MFLOPs.",
    )
    for size in REGNETS
}
