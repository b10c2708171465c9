"""Table: how the keys of one foreign source become ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# what the networks of a source were trained on, and with
GREY = {"mean": (0.45, 0.45, 0.45), "std": (0.225, 0.225, 0.225), "bn_eps": 1e-5}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
KINETICS = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}
SHIFT = re.compile(r"<(\d)([+-]\d+)>")


@dataclass(frozen=True)
class Table:
    r"""The renaming of one source.

    source: its name, as a report says it.
    mark: a regular expression that some key of such a file matches; not_mark: one that no key may match.
    rules: (pattern, replacement) pairs; all are applied in this order to every key by `re.sub`. In a replacement
        `\1` is a group and `<1+1>` is group 1, a number, plus 1.
    drop: keys of a file that hold nothing a network takes. zeros: our keys that the source has no tensor for, being 0.
    notes: (pattern, text): what a user should know about a file in which some key matches the pattern.
    facts: what such files do not say of their networks: mean and std of the input, bn_eps.
    """

    source: str
    mark: str
    rules: tuple[tuple[str, str], ...]
    not_mark: str = ""
    drop: str = ""
    zeros: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, keys: Iterable[str]) -> bool:
        """Whether a file with these keys may be of this source."""
        keys = list(keys)
        barred = self.not_mark and any(re.search(self.not_mark, k) for k in keys)
        return not barred and any(re.search(self.mark, k) for k in keys)

    def note(self, keys: Iterable[str]) -> str:
        """The notes that hold for a file with these keys."""
        keys = list(keys)
        return "; ".join(text for pattern, text in self.notes if any(re.search(pattern, k) for k in keys))

    def rename_all(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Our name of every key of a file."""
        return {key: self.rename(key) for key in keys}

    def rename(self, key: str) -> str | None:
        """Our name of a foreign key; None for a key to drop."""
        if self.drop and re.search(self.drop, key):
            return None
        for pattern, replacement in self.rules:
            key = substitute(pattern, replacement, key)
        return key


def substitute(pattern: str, replacement: str, key: str) -> str:
    """`re.sub` with one more form in the replacement: `<1+1>` is the number in group 1, plus 1."""

    def expand(match: re.Match[str]) -> str:
        return SHIFT.sub(lambda s: str(int(match.group(int(s[1]))) + int(s[2])), match.expand(replacement))

    return re.sub(pattern, expand, key)
