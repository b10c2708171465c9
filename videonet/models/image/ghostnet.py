"""GhostNet (Han et al. 2020, arXiv 1911.11907): the shape of MobileNetV3, Ghost modules for its 1x1 convolutions."""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.gate import SqueezeExcite
from videonet.layers.ghost import GhostModule
from videonet.layers.nd import Nd, round_channels
from videonet.models.block_table import BlockStem, Row, table_stages
from videonet.models.heads import Projected
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Trunk

# kernel, expanded width, channels, squeeze and excitation (table 1); each stage opens with stride 2
FIRST = [(3, 16, 16, False)]
TABLE = [
    [(3, 48, 24, False), (3, 72, 24, False)],
    [(5, 72, 40, True), (5, 120, 40, True)],
    [(3, 240, 80, False), (3, 200, 80, False), (3, 184, 80, False), (3, 184, 80, False)]
    + [(3, 480, 112, True), (3, 672, 112, True)],
    [(5, 672, 160, True), (5, 960, 160, False), (5, 960, 160, True), (5, 960, 160, False), (5, 960, 160, True)],
]
LAST = 960


class GhostBottleneck(nn.Module):
    """Ghost up, depthwise when it strides, gate, Ghost down; no activation behind the sum (section 3.2).

    Keys: ghost1, ghost2[, down, gate, shortcut.0, shortcut.1, context]. Time enters the first Ghost module.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        row: Row,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        ratio: int = 2,
        cheap_kernel: int = 3,
    ) -> None:
        super().__init__()
        ghost = {"ratio": ratio, "cheap_kernel": cheap_kernel}
        depthwise = {"kernel": row.kernel, "stride": stride, "dilation": dilation}
        self.ghost1 = GhostModule(nd, c_in, row.width, t=t, t_stride=t_stride, **ghost)
        self.down: nn.Module = nn.Identity()
        if row.down:
            self.down = ConvNorm(nd, row.width, row.width, groups=row.width, **depthwise)
        self.gate: nn.Module = nn.Identity()
        if row.se:
            self.gate = SqueezeExcite(row.width, round_channels(row.width / 4, 4), scale=nn.Hardsigmoid)
        self.ghost2 = GhostModule(nd, row.width, row.channels, act=None, zero=True, **ghost)
        self.shortcut: nn.Module = nn.Identity()
        if row.down or c_in != row.channels or t_stride > 1:
            self.shortcut = nn.Sequential(
                ConvNorm(nd, c_in, c_in, groups=c_in, t_stride=t_stride, **depthwise),
                ConvNorm(nd, c_in, row.channels),
            )
        self.context: nn.Module = nn.Identity()
        self.channels = row.channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, channels, [T',] H', W')."""
        y = self.ghost2(self.gate(self.down(self.ghost1(x))))
        return self.context(y + self.shortcut(x))


def ghostnet(nd: Nd, *, scale: float = 1.0, pathway: Pathway = IMAGE) -> Trunk:
    """The trunk of a GhostNet (table 1).

    scale: of all widths (0.5, 1, 1.3), which are multiples of 4. The stem holds the first bottleneck as well; the
    last map is behind the 1x1 convolution to 960 channels. In 3-D the first 1x1 of a bottleneck becomes t x 1 x 1.
    """

    def scaled(width: int) -> int:
        return round_channels(width * scale * pathway.scale, 4)

    def rows(stage: list, down: bool) -> list[Row]:
        return [
            Row(kernel, scaled(width), scaled(c_out), se, down=down and i == 0)
            for i, (kernel, width, c_out, se) in enumerate(stage)
        ]

    time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    stem = BlockStem(nd, scaled(16), GhostBottleneck, rows(FIRST, False), **time)
    table = [rows(stage, True) for stage in TABLE]
    row = table_stages(nd, GhostBottleneck, table, stem.channels, pathway=pathway)
    channels = [stage[-1].channels for stage in table[:-1]] + [scaled(LAST)]
    end = ConvNorm(nd, table[-1][-1].channels, channels[-1], act=relu)
    strides = (4, 8, 16, 16 * pathway.stride(3, 2))
    return Trunk(nd, stem, row, channels, strides=strides, pool_t=pathway.pool_t, end=end)


VARIANTS = {
    f"ghostnet_{scale}x": Variant(
        ghostnet,
        {"scale": scale},
        head=Projected,
        head_settings={"hidden": 1280, "hidden_bias": True, "dropout": 0.2},
        nd=Nd(2, init="torch"),
        doc=f"GhostNet {scale}x (Han et al. 2020, arXiv 1911.11907, table 1).",
    )
    for scale in (0.5, 1.0, 1.3)
}
