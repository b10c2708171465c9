"""Video networks: VARIANTS are the named ones, FAMILIES what a config builds with its own settings."""

from __future__ import annotations

from videonet.models.network import Variant
from videonet.models.video import resnet3d, slowfast

VARIANTS: dict[str, Variant] = {**resnet3d.VARIANTS, **slowfast.VARIANTS}
FAMILIES: dict[str, Variant] = {**resnet3d.FAMILIES, **slowfast.FAMILIES}
