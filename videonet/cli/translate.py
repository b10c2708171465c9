"""PySlowFast's configs as ours: the same network, the same recipe, and a word for every key that means nothing here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from videonet.cli.pyslowfast import network, recipe
from videonet.cli.pyslowfast.keys import SAME
from videonet.cli.pyslowfast.settings import Ours, Theirs
from videonet.source import Source

MARKS = re.compile(
    r"^(MODEL\.(MODEL_NAME|ARCH|LOSS_FUNC)|TRAIN\.DATASET|SOLVER\.(LR_POLICY|OPTIMIZING_METHOD)|RESNET\.)"
)


def is_pyslowfast(settings: Mapping[str, Any]) -> bool:
    """Whether dotted settings are PySlowFast's: they have keys that only it has."""
    return any(MARKS.match(key) for key in settings)


def translate(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Our settings, nested by section, of a PySlowFast config's dotted keys, and the warnings.

    A key that would make another network or another test than what is here is a ConfigError; one that changes less is
    a warning. Both name the key and say what happens instead.
    """
    theirs = Theirs(settings)
    ours: Ours = {name: theirs.read(key) for key, (name, _) in SAME.items()}
    for part in (network.model, *recipe.PARTS):
        ours |= part(theirs)
    theirs.finish()
    return nest(ours), theirs.warnings


def translate_sources(sources: Sequence[Source]) -> tuple[Source, list[str]]:
    """One source in our keys for `config.assemble`, of PySlowFast's files from the oldest base on, and the warnings."""
    merged: dict[str, Any] = {}
    for source in sources:
        merged |= source
    ours, warnings = translate(merged)
    translated = Source()
    for section, value in ours.items():
        for key, inner in value.items() if isinstance(value, dict) else [("", value)]:
            name = f"{section}.{key}".rstrip(".")
            translated.put(name, inner, "translated from PySlowFast")
    return translated, warnings


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as sections."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        section, _, rest = key.partition(".")
        if rest:
            tree.setdefault(section, {})[rest] = value
        else:
            tree[key] = value
    return tree
