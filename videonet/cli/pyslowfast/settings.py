"""A PySlowFast config as it is read: values with its defaults, and a word for every key that nothing reads."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from videonet.cli.pyslowfast.keys import AVA, FIXED, FOREIGN, HELD, READ, SAME
from videonet.source import ConfigError
from videonet.suggest import suggest

Ours = dict[str, Any]
READERS = {"AVA": "TRAIN.DATASET", "DATA": "TRAIN.DATASET"}  # section -> the key that says who reads it


class Theirs:
    """A PySlowFast config: values with its defaults, and which of the keys that were set have been read."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.set = {key: decode(value) for key, value in settings.items() if value is not None}
        self.unread = set(self.set)
        self.warnings: list[str] = []
        self.defaults = {**{key: default for key, (_, default) in {**SAME, **AVA}.items()}, **READ}

    def read(self, key: str) -> Any:
        """The value of a key, its default where it is not set."""
        self.unread.discard(key)
        return self.set.get(key, self.defaults[key])

    def value(self, key: str) -> Any:
        """The value of a key, without having read it."""
        return self.set.get(key, self.defaults.get(key))

    def warn(self, key: str, text: str) -> None:
        """Say what happens to a key."""
        self.warnings.append(f"{key} {self.value(key)}: {text}")

    def refuse(self, key: str, text: str) -> ConfigError:
        """The error of a key that cannot be honoured."""
        return ConfigError(f"PySlowFast config: {key} is {self.value(key)!r}; {text}")

    def finish(self) -> None:
        """Errors and warnings of the keys that nothing has read."""
        for key in sorted(self.unread):
            value, section = self.set[key], key.split(".")[0]
            if key in FIXED:
                fixed, text = FIXED[key]
                if not same(value, fixed):
                    raise self.refuse(key, f"here it is {fixed!r}: {text}")
            elif key in HELD:
                held, text = HELD[key]
                if held != "*" and not same(value, held):
                    self.warn(key, text)
            elif key in self.defaults:
                if not same(value, self.defaults[key]):
                    self.warn(key, f"not read for {self.value(READERS.get(section, 'MODEL.ARCH'))}")
            elif section in FOREIGN:
                self.warn(key, FOREIGN[section])
            else:
                known = [*self.defaults, *FIXED, *HELD]
                raise ConfigError(f"PySlowFast config: {key} is no key of PySlowFast{suggest(key, known)}")


def knows(key: str) -> bool:
    """Whether PySlowFast has this key."""
    return any(key in table for table in (SAME, AVA, READ, FIXED, HELD)) or key.split(".")[0] in FOREIGN


def decode(value: Any) -> Any:
    """A value as PySlowFast takes it: text that is a Python literal ("1e-4", "(1, 2)") is that."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def same(value: Any, other: Any) -> bool:
    """Equality that takes tuples for lists and 1 for 1.0, and forgives the last digits of a fraction."""
    if isinstance(value, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(value) == len(other) and all(same(a, b) for a, b in zip(value, other))
    if isinstance(value, (int, float)) and isinstance(other, (int, float)):
        return abs(value - other) <= 1e-6 * max(1.0, abs(other))
    return value == other
