"""MGIC (Eliasof et al. 2023, arXiv 2011.09128): multigrid over the channels, in ResNet and MobileNetV3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from videonet.layers.act import relu
from videonet.layers.conv_norm import ConvNorm
from videonet.layers.nd import Nd, round_channels
from videonet.models.block_table import BlockStem, Row, table_stages
from videonet.models.heads import Projected, ProjectedMax
from videonet.models.image.resnet import find_depths, strides_of
from videonet.models.multigrid_block import MultigridBlock, MultigridInverted
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, check_depths, stages

# kernel, expansion of the block's input, channels, squeeze and excitation, hard-swish; the stem's rows come first
FULL = (
    [(3, 1, 16, 0, 0)],
    [(3, 4, 24, 0, 0), (3, 3, 24, 0, 0)],
    [(5, 3, 40, 1, 0)] * 3,
    [
        (3, 6, 80, 0, 1),
        (3, 2.5, 80, 0, 1),
        (3, 2.3, 80, 0, 1),
        (3, 2.3, 80, 0, 1),
        (3, 6, 112, 1, 1),
        (3, 6, 112, 1, 1),
    ],
    [(5, 6, 160, 1, 1)] * 3,
)
SMALL = (
    [],
    [(3, 1, 16, 1, 0)],
    [(3, 4.5, 24, 0, 0), (3, 3.67, 24, 0, 0)],
    [(5, 4, 40, 1, 1), (5, 6, 40, 1, 1), (5, 6, 40, 1, 1), (5, 3, 48, 1, 1), (5, 3, 48, 1, 1)],
    [(5, 6, 96, 1, 1)] * 3,
)
TABLES = {"full": FULL, "small": SMALL}
STEMS = {"conv3x3_s2": (3, 2), "conv1x1_s1": (1, 1)}


def mgic_resnet(
    nd: Nd,
    *,
    depth: int = 18,
    width: int = 64,
    depths: Sequence[int] = (),
    group_size: int = 32,
    coarsest: int = 64,
    coarse_rule: str = "code",
    rp_init: str = "average",
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an MGIC-ResNet.

    depth: 18, 34 (basic relaxations), 50 and deeper (bottlenecks). width: of res2; depths: blocks of each stage, where
    they are not those of `depth`. group_size: channels a group (s_g). coarsest: threshold of the dense level (s_c).
    coarse_rule: "code" goes on until fewer than s_c channels are left, "paper" until at most s_c.
    rp_init: of restrictions and prolongations, "average" or "kaiming" (as released).
    """
    blocks = tuple(depths) or find_depths(depth)
    check_depths("depths", blocks, 4)
    stem = Stem(nd, pathway.width(width), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    widths = [pathway.width(width) * 2**i for i in range(4)]
    channels = [w * (1 if depth < 50 else 4) for w in widths]
    cycle = {"group_size": group_size, "coarsest": coarsest, "coarse_rule": coarse_rule, "rp_init": rp_init}
    row = stages(nd, partial(MultigridBlock, **cycle), blocks, stem.channels, widths, channels, pathway=pathway)
    return Trunk(nd, stem, row, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


def make_rows(table: Sequence[Sequence[tuple]], c_in: int, scale: float) -> list[list[Row]]:
    """The rows of a table at a scale of the widths, multiples of 8; every stage but the stem opens with a stride."""
    result = []
    for stage, entries in enumerate(table):
        rows = []
        for i, (kernel, expansion, c_out, se, hard) in enumerate(entries):
            width, channels = round_channels(c_in * expansion, 8), round_channels(c_out * scale, 8)
            rows.append(Row(kernel, width, channels, bool(se), bool(hard), down=stage > 0 and i == 0))
            c_in = channels
        result.append(rows)
    return result


def mgic_mobilenetv3(
    nd: Nd,
    *,
    table: str = "full",
    scale: float = 1.0,
    stem: str = "conv3x3_s2",
    group_size: int = 64,
    coarsest: int = 64,
    coarse_rule: str = "code",
    rp_init: str = "average",
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an MGIC-MobileNetV3; its last map is behind a 1x1 convolution.

    table: "full" or "small". scale: of the widths. stem: "conv3x3_s2", MobileNetV3's, or "conv1x1_s1", the release's,
    with which all maps are twice as wide and high and cost four times as much. Others: see `mgic_resnet`.
    """
    if table not in TABLES:
        raise ValueError(f"table is {table!r}; it must be one of {', '.join(TABLES)}")
    if stem not in STEMS:
        raise ValueError(f"stem is {stem!r}; it must be one of {', '.join(STEMS)}")
    scale *= pathway.scale
    first = round_channels(16 * scale, 8)
    before, *rows = make_rows(TABLES[table], first, scale)
    cycle = {"group_size": group_size, "coarsest": coarsest, "coarse_rule": coarse_rule, "rp_init": rp_init}
    block = partial(MultigridInverted, **cycle)
    kernel, stride = STEMS[stem]
    if stride == 1:  # the last maps have stride 16 already
        pathway = replace(pathway, output_stride=32)
    time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    entry = BlockStem(nd, first, block, before, kernel=kernel, stride=stride, **time)
    row = table_stages(nd, block, rows, entry.channels, pathway=pathway)
    channels = [stage[-1].channels for stage in rows]
    strides = [2 * stride, 4 * stride, 8 * stride, 8 * stride * pathway.stride(3, 2)]
    end = ConvNorm(nd, channels[-1], channels[-1], act=relu)
    return Trunk(nd, entry, row, channels, strides=strides, pool_t=pathway.pool_t, end=end)


PAPER = "MGIC (Eliasof et al. 2023, arXiv 2011.09128)"


def _mobile(table: str, hidden: int, released: bool) -> Variant:
    doc = f"{PAPER}: MobileNetV3, {table}, groups of 64{', the stem and max pool of the release' if released else ''}."
    settings = {"table": table}
    if released:
        settings |= {"stem": "conv1x1_s1", "rp_init": "kaiming"}
    head_settings = {"hidden": hidden, "hidden_bias": True, "dropout": 0.0}
    head = ProjectedMax if released else Projected
    return Variant(mgic_mobilenetv3, settings, head=head, head_settings=head_settings, doc=doc)


VARIANTS = {
    f"mgic_resnet{depth}": Variant(
        mgic_resnet, {"depth": depth}, head_settings={"dropout": 0.0}, doc=f"{PAPER}: ResNet-{depth}, groups of 32."
    )
    for depth in (18, 34, 50)
} | {
    "mgic_mobilenetv3": _mobile("full", 1280, False),
    "mgic_mobilenetv3_small": _mobile("small", 1024, False),
    "mgic_mobilenetv3_released": _mobile("full", 1280, True),
    "mgic_mobilenetv3_small_released": _mobile("small", 1024, True),
}
