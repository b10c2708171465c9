"""Where context blocks stand in a network, and of what kind they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from videonet.layers.nd import Nd
from videonet.layers.non_local import NonLocal, check_settings
from videonet.suggest import suggest

KEYS = ("at", "mode", "pool", "groups")


def place_non_local(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The `context_at` and `context` of a Pathway, from `{at: [[], [1, 3], [1, 3, 5], []], mode: softmax}`.

    at: for res2 .. res5, the blocks (from 0) that a non-local block follows. mode, pool, groups: as in `NonLocal`.
    The names may be in capitals, as in a config. None: no such blocks.
    """
    given = {str(key).lower(): value for key, value in (settings or {}).items()}
    for key in given:
        if key not in KEYS:
            raise ValueError(f"non_local has no {key!r}{suggest(key, KEYS)}")
    at = tuple(tuple(blocks) for blocks in given.pop("at", ()))
    if not any(at):
        return {}
    if len(at) != 4:
        raise ValueError(f"non_local: at is {[list(blocks) for blocks in at]}; it must list res2, res3, res4 and res5")
    chosen = {"mode": "softmax", "pool": (1, 2, 2), "groups": 1} | given
    check_settings(**chosen)
    return {"context_at": at, "context": partial(make_non_local, **chosen)}


def make_non_local(nd: Nd, channels: int, stage: int, *, mode: str, pool: Sequence[int], groups: int) -> nn.Module:
    """The non-local block of a stage, of half its channels."""
    return NonLocal(nd, channels, channels // 2, mode=mode, pool=pool, groups=groups)
