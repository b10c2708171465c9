"""Configs: YAML files with `_BASE_` and `KEY VALUE` overrides, in which a section with a NAME is a call.

The keys beside NAME are the keyword arguments of what the name stands for; its signature is the schema and its
defaults are the defaults. A config is checked as a whole when it is loaded and cannot be changed afterwards.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from videonet.defaults import CALLS, COLOURS, COUNTS, KEYS, SHARES
from videonet.source import ConfigError, Source, read_overrides, read_sources, read_yaml
from videonet.suggest import suggest

Table = Mapping[str, Callable[..., Any]]
Tables = Callable[[Mapping[str, Any]], Mapping[str, Table]]


def load(path: str | Path, overrides: Sequence[Any] = (), *, tables: Tables) -> CfgNode:
    """The config of a YAML file, its bases, and `KEY VALUE KEY VALUE ...` overrides, complete and frozen.

    tables: from the NAME of every section of `defaults.CALLS` to {section: {name: function}}.
    """
    sources = [*read_sources(Path(path)), read_overrides(overrides)]
    return assemble(sources, tables)


def load_text(text: str, *, tables: Tables, name: str = "config") -> CfgNode:
    """The config that `dump` wrote, for example into a checkpoint."""
    return assemble([read_yaml(text, name)], tables)


def assemble(sources: Sequence[Source], tables: Tables) -> CfgNode:
    """Merge the sources, oldest first, check every key, and fill in the defaults."""
    merged = Source()
    for source in sources:
        drop_renamed(merged, source)
        for key, value in source.items():
            merged.pop(key, None)
            merged.places.pop(key, None)
            merged.put(key, value, source.places[key])
    flat: dict[str, Any] = {key: copy.deepcopy(default) for key, (default, _) in KEYS.items()}
    found = tables({section: merged.get(f"{section}.NAME", KEYS[f"{section}.NAME"][0]) for section in CALLS})
    schemas = {section: section_schema(section, merged, found[section]) for section in CALLS}
    for section in CALLS:
        flat |= {f"{section}.{key}": plain(p.default) for key, p in schemas[section].items()}
    for key, value in merged.items():
        flat[key] = check(key, value, merged.places[key], schemas, merged)
    missing = [key for key, value in flat.items() if value is inspect.Parameter.empty]
    if missing:
        section = missing[0].split(".")[0]
        raise ConfigError(f"config: {missing[0]} must be given; {flat[section + '.NAME']} has no default for it")
    return nest(flat)


def drop_renamed(merged: Source, source: Source) -> None:
    """Where a source gives a section another NAME, drop the older keys: they were the old name's arguments."""
    for section in CALLS:
        name = f"{section}.NAME"
        if name in source and source[name] != merged.get(name, source[name]):
            for key in [k for k in merged if k.startswith(f"{section}.") and k not in KEYS]:
                del merged[key]


def section_schema(section: str, merged: Source, table: Table) -> dict[str, inspect.Parameter]:
    """KEY -> parameter of what the section's NAME stands for."""
    key = f"{section}.NAME"
    name = merged.get(key, KEYS[key][0])
    if name not in table:
        place = merged.places.get(key, "defaults")
        raise ConfigError(f"{place}: {key} is {name!r}, which is unknown{suggest(name, table)}")
    return schema(table[name], CALLS[section])


def schema(function: Callable[..., Any], handed_in: Sequence[str] = ()) -> dict[str, inspect.Parameter]:
    """The keys that a config may give a function: its keyword-only parameters, in capitals, but those handed in."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name.upper(): p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in handed_in}


def plain(value: Any) -> Any:
    """The same value as YAML would give it: tuples become lists."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return value


def check(key: str, value: Any, place: str, schemas: Mapping[str, dict], merged: Source) -> Any:
    """The value in the type that the key has, or a ConfigError."""
    if key in KEYS:
        return limit(key, convert(value, KEYS[key][0], None, f"{place}: {key}"), place)
    section, _, rest = key.partition(".")
    if section in schemas and rest:
        if rest in schemas[section]:
            p = schemas[section][rest]
            return convert(value, plain(p.default), p.annotation, f"{place}: {key}")
        name = merged.get(f"{section}.NAME", KEYS[f"{section}.NAME"][0])
        known = [*schemas[section], *(k.partition(".")[2] for k in KEYS if k.startswith(f"{section}."))]
        raise ConfigError(f"{place}: {section} ({name or 'default'}) has no {rest}{suggest(rest, known)}")
    known = [*KEYS, *(f"{s}.{k}" for s in schemas for k in schemas[s])]
    raise ConfigError(f"{place}: unknown key {key}{suggest(key, known)}")


def limit(key: str, value: Any, place: str) -> Any:
    """The value of a key of the run, if the key can have it: a number in its range, colours that pixels can have."""
    least, most = int(key in COUNTS), 1 if key in SHARES else math.inf
    if isinstance(value, (int, float)) and not least <= value <= most:
        rule = f"from {least} to {most}" if key in SHARES else f"at least {least}"
        raise ConfigError(f"{place}: {key} is {value!r}; it must be {rule}")
    if key in COLOURS:
        fits = [isinstance(colour, (int, float)) and COLOURS[key] <= colour <= 1 for colour in value]
        if fits != [True] * 3:
            rule = f"three numbers from {COLOURS[key]:g} to 1: those of pixels in 0..1, not in 0..255"
            raise ConfigError(f"{place}: {key} is {value}; it must be {rule}")
    return value


def convert(value: Any, default: Any, annotation: Any, where: str) -> Any:
    """`value` in the type of `default`; without a default's type, of the annotation."""
    if default is None or default is inspect.Parameter.empty:
        return convert_annotated(value, str(annotation), where)
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
    elif isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(default, float):
        number = to_float(value)
        if number is not None:
            return number
    elif isinstance(default, str):
        if isinstance(value, str):
            return value
    elif isinstance(default, list):
        if isinstance(value, (list, tuple)):
            return plain(value)
    elif isinstance(value, Mapping):
        return plain(value)
    raise ConfigError(f"{where} is {value!r}; it must be {TYPE_NAMES[type(default)]}, such as {default!r}")


TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}
ANNOTATED = {
    "bool": False,
    "int": 0,
    "float": 0.0,
    "str": "",
    "list": [],
    "tuple": [],
    "Sequence": [],
    "dict": {},
    "Mapping": {},
}


def convert_annotated(value: Any, annotation: str, where: str) -> Any:
    """`value` in one of the types of an annotation such as "float | None"."""
    options = [part.strip().partition("[")[0] for part in annotation.split("|")]
    if value is None and "None" in options:
        return None
    known = [option for option in options if option in ANNOTATED]
    for option in known:
        try:
            return convert(value, ANNOTATED[option], None, where)
        except ConfigError:
            continue
    if known:
        raise ConfigError(
            f"{where} is {value!r}; it must be {' or '.join(TYPE_NAMES[type(ANNOTATED[o])] for o in known)}"
        )
    return plain(value)


def to_float(value: Any) -> float | None:
    """A number, also from the texts that YAML 1.1 leaves as text (1e-4)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def nest(flat: Mapping[str, Any]) -> CfgNode:
    """Dotted keys as a frozen tree."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        section, _, rest = key.partition(".")
        if rest:
            tree.setdefault(section, {})[rest] = value
        else:
            tree[key] = value
    node = CfgNode(tree)
    node.freeze()
    return node


def flat(node: Mapping[str, Any]) -> dict[str, Any]:
    """A config as dotted keys."""
    keys = {key: value for key, value in node.items() if not isinstance(value, CfgNode)}
    return keys | {
        f"{s}.{k}": thaw(v) for s, keys in node.items() if isinstance(keys, CfgNode) for k, v in keys.items()
    }


def arguments(section: Mapping[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword arguments that a section holds for a function."""
    return {key.lower(): thaw(section[key]) for key in schema(function) if key in section}


def thaw(value: Any) -> Any:
    """A value out of the config as plain lists and dicts of its own."""
    if isinstance(value, Mapping):
        return {k: thaw(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(v) for v in value]
    return value


def call(section: Mapping[str, Any], table: Table, *args: Any, **handed_in: Any) -> Any:
    """Call what the section's NAME stands for with its keys and what the code hands in."""
    function = table[section["NAME"]]
    return function(*args, **arguments(section, function), **handed_in)


def dump(node: CfgNode) -> str:
    """The whole config as YAML; `load_text` reads it back to an equal one."""
    return yaml.safe_dump(thaw(node), sort_keys=False, default_flow_style=None, width=120)
