"""Where settings come from: YAML files with `_BASE_`, and `KEY VALUE` pairs, each setting with its place."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

BASE = "_BASE_"


class ConfigError(ValueError):
    """A mistake in a config: one line with the place, the key, the rule and a hint."""


class Source(dict):
    """Settings (dotted key -> value) of one file or command line, with the place of each (`places`)."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, str] = {}

    def put(self, key: str, value: Any, place: str) -> None:
        """Set one key; a key given twice in one source is a mistake."""
        if key in self:
            raise ConfigError(f"{place}: {key} is given twice (before at {self.places[key]}); keep one")
        self[key] = value
        self.places[key] = place


def read_sources(path: Path, seen: tuple[Path, ...] = ()) -> list[Source]:
    """The file's bases, oldest first, then the file."""
    if path.resolve() in seen:
        raise ConfigError(f"{path}: {BASE} goes round in a circle: {' -> '.join(p.name for p in (*seen, path))}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        by = f" (named as {BASE} by {seen[-1]})" if seen else ""
        raise ConfigError(f"{path}: there is no such config file{by}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from None
    source = read_yaml(text, str(path))
    base = source.pop(BASE, None)
    if base is None:
        return [source]
    if not isinstance(base, str):
        raise ConfigError(f"{source.places[BASE]}: {BASE} is {base!r}; it must be the path of one YAML file")
    return [*read_sources(path.parent / Path(base).expanduser(), (*seen, path.resolve())), source]


def read_yaml(text: str, name: str) -> Source:
    """Dotted keys of a YAML text, each with its `file:line`. Only plain values are built, never objects."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{place}: this is not YAML: {getattr(error, 'problem', None) or error}") from None
    source = Source()
    if node is not None:
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{name}: a config is a mapping of keys to values, this is a {node.id}")
        flatten(node, "", name, source)
    return source


def flatten(node: yaml.MappingNode, prefix: str, name: str, source: Source) -> None:
    """Put the leaves of a mapping into `source`; deeper than SECTION.KEY a mapping is a value."""
    for key_node, value_node in node.value:
        place = f"{name}:{key_node.start_mark.line + 1}"
        key = f"{prefix}{key_node.value}"
        deep = prefix or key_node.value == BASE
        if isinstance(value_node, yaml.MappingNode) and not deep:
            flatten(value_node, f"{key}.", name, source)
            continue
        try:
            source.put(key, construct(value_node), place)
        except yaml.YAMLError as error:
            raise ConfigError(f"{place}: {key} has a value that is not plain YAML: {error.problem}") from None


def construct(node: yaml.Node) -> Any:
    """The plain value of a YAML node."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def read_overrides(overrides: Sequence[Any]) -> Source:
    """`KEY VALUE` pairs of a command line; text values are read as YAML, what is none (a comma) is the text itself."""
    if len(overrides) % 2:
        raise ConfigError(
            f"command line: {overrides[-1]!r} has no value; overrides come as KEY VALUE pairs, a value with spaces in "
            "quotes"
        )
    source = Source()
    for key, value in zip(overrides[::2], overrides[1::2]):
        if isinstance(value, str) and value.strip():
            with contextlib.suppress(yaml.YAMLError):
                value = yaml.safe_load(value)
        source.places.pop(key, None)
        source.pop(key, None)
        source.put(str(key), value, "command line")
    return source
