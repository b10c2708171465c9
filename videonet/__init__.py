"""videonet: video recognition from image building blocks. `create`, `load_weights` and `load_config` are the way in."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videonet.build import build_model
    from videonet.cli.configs import load_config
    from videonet.models.inflate import inflate
    from videonet.models.weights import load_weights
    from videonet.networks import create, list_models

# what users call -> where it is; looked up on first use, so that the command line starts fast
PUBLIC = {
    "build_model": "videonet.build",
    "create": "videonet.networks",
    "inflate": "videonet.models.inflate",
    "list_models": "videonet.networks",
    "load_config": "videonet.cli.configs",
    "load_weights": "videonet.models.weights",
}

__all__ = ["build_model", "create", "inflate", "list_models", "load_config", "load_weights"]


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(importlib.import_module(PUBLIC[name]), name)
    raise AttributeError(f"module 'videonet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
