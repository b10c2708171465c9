"""HierarchicalSplit: parts of the channels, each convolved after the sum with the part before (Res2Net)."""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.nd import Nd


class HierarchicalSplit(nn.Module):
    """The Res2Net module (Gao et al. 2019, arXiv 1904.01169, section 3.1), for a bottleneck's `mix` slot.

    The channels are split into `scale` parts; part i is convolved after part i - 1's result was added to it, and the
    last part passes unchanged (as in the authors' code; the paper passes the first). Keys: `convs.i`.

    first: the block opens a stage. Then nothing is added, and the last part is average-pooled 3x3 with the stride.
    pooled: False convolves the last part of a stage's first block as well.
    groups: of each part's convolution (the cardinality of Res2NeXt).
    """

    def __init__(
        self,
        nd: Nd,
        channels: int,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        scale: int = 4,
        groups: int = 1,
        first: bool = False,
        pooled: bool = True,
    ) -> None:
        super().__init__()
        if scale < 1 or channels % scale:
            raise ValueError(f"{channels} channels do not split into {scale} equal parts")
        if not first and (stride, t_stride) != (1, 1):
            raise ValueError(
                f"a Res2Net block with stride {stride} must be the first of its stage: its parts are added"
            )
        part = channels // scale
        passed = scale > 1 and (pooled or not first)
        settings = {"t": t, "t_stride": t_stride, "dilation": dilation, "groups": groups, "act": relu}
        self.convs = nn.ModuleList(
            ConvNorm(nd, part, part, 3, stride, **settings) for _ in range(scale - 1 if passed else scale)
        )
        self.scale, self.first = scale, first
        self.last = nn.Identity()
        if first and passed:
            self.last = nd.avg_pool(3, stride, t_stride=t_stride, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, [T,] H, W) -> (B, C, [T',] H', W')."""
        parts = x.chunk(self.scale, 1)
        mixed: list[torch.Tensor] = []
        for conv, part in zip(self.convs, parts):
            mixed.append(conv(part if self.first or not mixed else mixed[-1] + part))
        mixed += [self.last(part) for part in parts[len(mixed) :]]
        return torch.cat(mixed, 1)
