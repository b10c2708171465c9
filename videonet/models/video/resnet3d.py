"""C2D, I3D, Slow: one image trunk inflated to clips, with time in different places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from videonet.layers.nd import Nd
from videonet.models.image import VARIANTS as IMAGES
from videonet.models.network import Variant
from videonet.models.pathway import Kernels, Pathway, kernels
from videonet.models.video.context import place_non_local
from videonet.suggest import suggest

VIDEO = Nd(3, zero_init=True)


def find_family(family: str, depth: int) -> Variant:
    """The image network of that name, or the ResNet of `depth` when the name is empty."""
    name = family or f"resnet{depth}"
    if name not in IMAGES:
        raise ValueError(f"image family {name!r} is unknown{suggest(name, IMAGES)}")
    return IMAGES[name]


def image_backbone(family: str = "", depth: int = 50, scale: float = 1.0) -> nn.Module:
    """The image backbone that `resnet3d` (or SlowFast's slow pathway) of these settings is made of."""
    return find_family(family, depth).backbone(pathway=Pathway(scale=scale))


def resnet3d(
    nd: Nd = VIDEO,
    *,
    depth: int = 50,
    family: str = "",
    t: Sequence[Kernels] = (1, 1, 1, 1),
    stem_t: int = 1,
    t_blocks: Sequence[int] = (),
    t_strides: Sequence[int] = (1, 1, 1, 1),
    pool_t: int = 1,
    output_stride: int = 32,
    scale: float = 1.0,
    non_local: Mapping[str, Any] | None = None,
    pathway: Pathway | None = None,
) -> nn.Module:
    """An image trunk built in 3-D: one clip (B, 3, T, H, W) to the maps of res2 .. res5.

    depth: of the ResNet; family: the name of any other image network ("sknet50"), in its place.
    t: temporal kernels of res2 .. res5; a tuple in it is repeated over the blocks. stem_t: of the stem.
    t_blocks: blocks of each stage that may have a temporal kernel, () for all. t_strides: of each stage.
    pool_t: frames joined by a max pool after res2. output_stride: 32, or 16 for detection.
    non_local: {at, mode, pool, groups} of non-local blocks; see `place_non_local`.
    scale: multiplies every width. pathway: all of these in one, in their place.
    """
    pathway = pathway or Pathway(
        stem_t=stem_t,
        t=kernels(t),
        t_blocks=tuple(t_blocks),
        t_strides=tuple(t_strides),
        pool_t=pool_t,
        output_stride=output_stride,
        scale=scale,
        **place_non_local(non_local),
    )
    return find_family(family, depth).backbone(nd, pathway=pathway)


C2D = {"pool_t": 2}
I3D = {"stem_t": 5, "t": (3, (3, 1), (3, 1), (1, 3)), "pool_t": 2}
SLOW = {"t": (1, 1, 3, 3)}
NLN_AT = ((), (1, 3), (1, 3, 5), ())
SOFTMAX = {"non_local": {"at": NLN_AT, "mode": "softmax"}}
DOT_PRODUCT = {"non_local": {"at": NLN_AT, "mode": "dot_product"}}


def _variant(settings: dict, doc: str, frames: int = 8) -> Variant:
    return Variant(resnet3d, settings, nd=VIDEO, input=(3, frames, 224, 224), num_classes=400, doc=doc)


DOCS = {
    "c2d": "C2D: 2-D kernels, time only pooled (Wang et al. 2018, table 1)",
    "i3d": "I3D: an inflated ResNet (Wang et al. 2018, section 4)",
    "slow": "Slow-only (Feichtenhofer et al. 2019, table 1)",
}
FIVE = "with 5 non-local blocks (Wang et al. 2018, section 4.1)."

VARIANTS = {
    "c2d_8x8_r50": _variant({"depth": 50, **C2D}, f"{DOCS['c2d']}."),
    "c2d_nln_8x8_r50": _variant({"depth": 50, **C2D, **SOFTMAX}, f"{DOCS['c2d']}, {FIVE}"),
    "i3d_8x8_r50": _variant({"depth": 50, **I3D}, f"{DOCS['i3d']}."),
    "i3d_8x8_r101": _variant({"depth": 101, **I3D}, f"{DOCS['i3d']}."),
    "i3d_nln_8x8_r50": _variant({"depth": 50, **I3D, **SOFTMAX}, f"{DOCS['i3d']}, {FIVE}"),
    "i3d_nln_8x8_r101": _variant({"depth": 101, **I3D, **SOFTMAX}, f"{DOCS['i3d']}, {FIVE}"),
    "slow_4x16_r50": _variant({"depth": 50, **SLOW}, f"{DOCS['slow']}.", 4),
    "slow_8x8_r50": _variant({"depth": 50, **SLOW}, f"{DOCS['slow']}."),
    "slow_nln_4x16_r50": _variant({"depth": 50, **SLOW, **DOT_PRODUCT}, f"{DOCS['slow']}, {FIVE}", 4),
    "slow_nln_8x8_r50": _variant({"depth": 50, **SLOW, **DOT_PRODUCT}, f"{DOCS['slow']}, {FIVE}"),
}

FAMILIES = {
    "video_resnet": Variant(resnet3d, nd=VIDEO, doc="Any image family in 3-D, time where you say."),
    "c2d": Variant(resnet3d, C2D, nd=VIDEO, doc=f"{DOCS['c2d']}."),
    "i3d": Variant(resnet3d, I3D, nd=VIDEO, doc=f"{DOCS['i3d']}."),
    "slow": Variant(resnet3d, SLOW, nd=VIDEO, doc=f"{DOCS['slow']}."),
}
