"""Image backbones: every network here is a callable with a name, `resnet50(num_classes=None)` the plainest use.

With `num_classes=None` a call gives the backbone: `maps = backbone(images)` is the list of its stages' maps, and
`backbone.channels` and `backbone.strides` say what they are. With a number it gives a network whose call is logits.
"""

from __future__ import annotations

from videonet.models.image import preact as _preact
from videonet.models.image import resnet as _resnet
from videonet.models.image import resnext as _resnext
from videonet.models.image import sknet as _sknet
from videonet.models.network import Variant

VARIANTS: dict[str, Variant] = {
    **_preact.VARIANTS,
    **_resnet.VARIANTS,
    **_resnext.VARIANTS,
    **_sknet.VARIANTS,
}


def __getattr__(name: str) -> Variant:
    if name in VARIANTS:
        return VARIANTS[name]
    raise AttributeError(f"videonet.models.image has no network {name!r}; list_models() names them all")


def __dir__() -> list[str]:
    return sorted([*globals(), *VARIANTS])
