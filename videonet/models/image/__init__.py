"""Image backbones: every network here is a callable with a name, `resnet50(num_classes=None)` the plainest use.

With `num_classes=None` a call gives the backbone: `maps = backbone(images)` is the list of its stages' maps, and
`backbone.channels` and `backbone.strides` say what they are. With a number it gives a network whose call is logits.
"""

from __future__ import annotations

from dataclasses import replace

from videonet.models.image import densenet as _densenet
from videonet.models.image import g_ghost as _g_ghost
from videonet.models.image import ghost_resnet as _ghost_resnet
from videonet.models.image import ghostnet as _ghostnet
from videonet.models.image import mgic as _mgic
from videonet.models.image import preact as _preact
from videonet.models.image import prelu as _prelu
from videonet.models.image import res2net as _res2net
from videonet.models.image import res2net_dla as _res2net_dla
from videonet.models.image import resnet as _resnet
from videonet.models.image import resnext as _resnext
from videonet.models.image import sda as _sda
from videonet.models.image import senet as _senet
from videonet.models.image import shufflenet as _shufflenet
from videonet.models.image import sknet as _sknet
from videonet.models.image import wide as _wide
from videonet.models.network import Variant

VARIANTS: dict[str, Variant] = {
    **_densenet.VARIANTS,
    **_g_ghost.VARIANTS,
    **_ghost_resnet.VARIANTS,
    **_ghostnet.VARIANTS,
    **_mgic.VARIANTS,
    **_preact.VARIANTS,
    **_prelu.VARIANTS,
    **_res2net.VARIANTS,
    **_res2net_dla.VARIANTS,
    **_resnet.VARIANTS,
    **_resnext.VARIANTS,
    **_sda.VARIANTS,
    **_senet.VARIANTS,
    **_shufflenet.VARIANTS,
    **_sknet.VARIANTS,
    **_wide.VARIANTS,
}

# what a config builds with its own settings: the builders of all families, by their functions' names
FAMILIES: dict[str, Variant] = {v.build.__name__: replace(v, settings={}) for v in VARIANTS.values()}


def __getattr__(name: str) -> Variant:
    if name in VARIANTS:
        return VARIANTS[name]
    raise AttributeError(f"videonet.models.image has no network {name!r}; list_models() names them all")


def __dir__() -> list[str]:
    return sorted([*globals(), *VARIANTS])
