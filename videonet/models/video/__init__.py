"""Video networks: VARIANTS are published ones, by name; FAMILIES are what a config builds them from, by settings."""

from __future__ import annotations

from videonet.models.network import Variant
from videonet.models.video import csn as _csn
from videonet.models.video import r2plus1d as _r2plus1d
from videonet.models.video import resnet3d as _resnet3d
from videonet.models.video import slowfast as _slowfast
from videonet.models.video import x3d as _x3d

VARIANTS: dict[str, Variant] = {
    **_csn.VARIANTS,
    **_r2plus1d.VARIANTS,
    **_resnet3d.VARIANTS,
    **_slowfast.VARIANTS,
    **_x3d.VARIANTS,
}
FAMILIES: dict[str, Variant] = {
    **_csn.FAMILIES,
    **_r2plus1d.FAMILIES,
    **_resnet3d.FAMILIES,
    **_slowfast.FAMILIES,
    **_x3d.FAMILIES,
}


def __getattr__(name: str) -> Variant:
    if name in VARIANTS:
        return VARIANTS[name]
    raise AttributeError(f"videonet.models.video has no network {name!r}; list_models() names them all")


def __dir__() -> list[str]:
    return sorted([*globals(), *VARIANTS])
