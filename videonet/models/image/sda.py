"""SDA-xNet (Guo et al. 2024, doi 10.1109/TAI.2024.3401652): residual networks whose stages attend to their blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from videonet.layers.depth_attention import DepthAttention
from videonet.layers.gate import squeeze_excite
from videonet.layers.nd import Nd
from videonet.layers.pyramid_conv import PyramidConv
from videonet.layers.shortcut import max_pool_projection
from videonet.models.blocks import Basic, Bottleneck, choose
from videonet.models.heads import Normalised
from videonet.models.image.res2net import split_blocks
from videonet.models.image.resnet import DEPTHS as RESNETS
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, stages

DEPTHS = {**RESNETS, 86: (5, 6, 12, 5)}
KINDS = {"resnet": 8, "resnext": 32, "senet": 1, "res2net": 1, "pyconv": 1}
LEVELS = (
    ((3, 1, 4), (5, 4, 4), (7, 8, 4), (9, 16, 4)),
    ((3, 1, 4), (5, 4, 4), (7, 8, 2)),
    ((3, 1, 2), (5, 4, 2)),
    ((3, 1, 1),),
)
Blocks = list[Callable[..., nn.Module]]


class DepthStage(nn.Module):
    """A stage whose output is the weighted sum of its blocks' residual sums (section 3).

    Block b reads block b - 1's output, activation and context included; the attention reads the sums before the
    activation. The last block's activation and context stand behind the weighted sum. Keys: those of the plain stage
    (0, 1, ...) and `attention`.
    """

    def __init__(self, blocks: Sequence[nn.Module], attention: DepthAttention) -> None:
        super().__init__()
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)
            if hasattr(block.act, "inplace"):
                block.act.inplace = False  # the attention still needs the sum that goes in
        self.attention = attention
        self.depth = len(blocks)

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks in their order."""
        return [getattr(self, str(i)) for i in range(self.depth)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, C, [T',] H', W')."""
        *blocks, last = self.blocks
        sums = []
        for block in blocks:
            sums.append(block.residual_sum(x))
            x = block.context(block.act(sums[-1]))
        sums.append(last.residual_sum(x))
        return last.context(last.act(self.attention(sums)))


def sda_blocks(
    kind: str, depth: int, groups: int, pathway: Pathway, **settings: object
) -> tuple[list[int], Blocks, Blocks | None]:
    """Widths inside the blocks, the blocks of each stage, and the first ones where they differ."""
    widths = [pathway.width(64) * 2**i for i in range(4)]
    if kind == "res2net":
        return split_blocks([26 * 2**i for i in range(4)], pathway, scale=4, groups=groups, **settings)
    if kind == "pyconv":
        mixes = [partial(PyramidConv, levels=levels) for levels in LEVELS]
        return widths, [partial(Bottleneck, mix=m, shortcut=max_pool_projection, **settings) for m in mixes], None
    gate = squeeze_excite(16) if kind == "senet" else None
    if depth < 50:
        return widths, [partial(Basic, gate=gate, drop_path=settings["drop_path"])] * 4, None
    return widths, [partial(Bottleneck, groups=pathway.groups(groups, w), gate=gate, **settings) for w in widths], None


def sda(
    nd: Nd,
    *,
    kind: str = "resnet",
    depth: int = 86,
    groups: int = 0,
    ratio: int = 16,
    attention: bool = True,
    time_at: str = "pointwise",
    drop_path: float = 0.0,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an SDA network.

    kind: of the blocks: "resnet", "resnext", "senet", "res2net" (26w 4s) or "pyconv". depth: 86 as published, or a
    ResNet's (18 and 34, of basic blocks, only as "resnet" and "senet").
    groups: of the 3x3, 0 for the published 8 ("resnet"), 32 ("resnext") and 1. ratio: of the attention's squeeze,
    which keeps at least 64 channels. attention: False gives the plain network.
    time_at: in 3-D, "pointwise" (t x 1 x 1) or "spatial" (t x 3 x 3). drop_path: rate of each branch.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth}; an SDA network has one of {', '.join(map(str, sorted(DEPTHS)))}")
    if depth < 50 and choose("kind", kind, tuple(KINDS)) not in ("resnet", "senet"):
        raise ValueError(f"depth is {depth}: that has basic blocks, which a {kind} has not; take 50 or more")
    groups = groups or KINDS[choose("kind", kind, tuple(KINDS))]
    widths, blocks, first_blocks = sda_blocks(kind, depth, groups, pathway, time_at=time_at, drop_path=drop_path)
    pool = kind != "pyconv"
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride, pool=pool)
    channels = [pathway.width(64) * 2**i * (1 if depth < 50 else 4) for i in range(4)]
    row = stages(
        nd,
        blocks,
        DEPTHS[depth],
        stem.channels,
        widths,
        channels,
        strides=(1 if pool else 2, 2, 2, 2),
        first_blocks=first_blocks or [None] * 4,
        pathway=pathway,
    )
    if attention:
        squeeze = {"ratio": ratio, "least": pathway.width(64)}
        row = [DepthStage(list(s), DepthAttention(nd, c, len(s), **squeeze)) for s, c in zip(row, channels)]
    strides = (4, 8, 16, 16 * pathway.stride(3, 2))
    return Trunk(nd, stem, row, channels, strides=strides, pool_t=pathway.pool_t)


def _variant(kind: str, depth: int, doc: str) -> Variant:
    return Variant(
        sda,
        {"kind": kind, "depth": depth},
        head=Normalised,
        head_settings={"dropout": 0.0, "norm": "batch"},
        doc=f"SDA-xNet (Guo et al. 2024, doi 10.1109/TAI.2024.3401652): {doc}, {depth} layers.",
    )


VARIANTS = {f"sda_resnet{depth}": _variant("resnet", depth, "ResNet with 8 groups") for depth in (50, 86, 101)} | {
    "sda_senet86": _variant("senet", 86, "SE-ResNet"),
    "sda_pyconv86": _variant("pyconv", 86, "PyConv"),
    "sda_res2net86_26w_4s": _variant("res2net", 86, "Res2Net 26w 4s"),
    "sda_resnext86_32g": _variant("resnext", 86, "ResNet with 32 groups"),
}
