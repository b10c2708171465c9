"""The configs that users hand to `--cfg`: ours, or PySlowFast's, which are translated."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from videonet import build, config
from videonet.cli.pyslowfast.settings import knows
from videonet.cli.translate import is_pyslowfast, translate_sources
from videonet.defaults import KEYS
from videonet.source import Source, read_overrides, read_sources


def load_config(path: str | Path, overrides: Sequence[Any] = ()) -> CfgNode:
    """The complete, frozen config of a YAML file, ours or PySlowFast's, and `KEY VALUE` overrides.

    With a PySlowFast file the overrides may be its keys as well as ours; what it means here otherwise than there is
    said on stderr, and what cannot be honoured is an error that names the key.
    """
    sources = read_sources(Path(path))
    said = read_overrides(overrides)
    if not any(map(is_pyslowfast, sources)):
        return config.assemble([*sources, said], build.tables_of)
    theirs, ours = split(said)
    translated, warnings = translate_sources([*sources, theirs])
    for text in warnings:
        print(f"{path}: {text}", file=sys.stderr)
    return config.assemble([translated, ours], build.tables_of)


def split(overrides: Source) -> tuple[Source, Source]:
    """(PySlowFast's, ours): a key that both have is ours."""
    theirs, ours = Source(), Source()
    for key, value in overrides.items():
        (theirs if knows(key) and key not in KEYS else ours).put(key, value, overrides.places[key])
    return theirs, ours
