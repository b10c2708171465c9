"""Annotation files: how one is opened, how its broken rows are reported, and where the videos that it names are."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp")


class AnnotationError(ValueError):
    """Rows of an annotation file are broken. `problems` has a line `file:line: what is wrong` for each."""

    def __init__(self, problems: list[str]) -> None:
        least = "at least " if len(problems) == Problems.LIMIT else ""
        more = f" (and {least}{len(problems) - 1} more such rows)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = problems


class Problems:
    """Collects broken rows: into a list that a caller gave, or else to be raised together by `finish`.

    A file of the wrong kind is broken in every row, so without such a list reading ends at the `LIMIT`-th.
    """

    LIMIT = 100

    def __init__(self, into: list[str] | None = None) -> None:
        self.into = into
        self.found: list[str] = []

    def add(self, source: str | Path, place: int | str, what: object) -> None:
        """Note that `place` (a line number, or other words) of a file is broken."""
        text = f"{source}:{place}: {what}"
        if self.into is not None:
            self.into.append(text)
            return
        self.found.append(text)
        if len(self.found) == self.LIMIT:
            self.finish()

    def finish(self) -> None:
        """Raise AnnotationError if rows are broken and nobody else keeps them."""
        if self.found:
            raise AnnotationError(self.found)


def open_annotation(path: str | Path) -> BinaryIO:
    """The file to read, past a byte order mark; ValueError if it cannot be opened."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    if file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)
    return file


def read_json(path: str | Path) -> Any:
    """The content of a JSON file; ValueError with file and line if it is none."""
    with open_annotation(path) as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not JSON: not UTF-8 text at byte {error.start}") from error


def read_entries(path: str | Path) -> Iterator[tuple[int, Any]]:
    """The entries of a JSON list, each with the line on which it begins; ValueError if the file is none."""
    with open_annotation(path) as file:
        text = file.read().decode("utf-8", "replace")
    decoder, space = json.JSONDecoder(), re.compile(r"[\s,]*")
    at, line, counted = space.match(text).end(), 1, 0
    if text[at : at + 1] != "[":
        raise ValueError(f"{path}: not a JSON list; it begins with {text[at : at + 20]!r}")
    at = space.match(text, at + 1).end()
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        try:
            entry, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
        yield line, entry
        at = space.match(text, at).end()


def video_files(root: str | Path) -> dict[str, str]:
    """Every video below `root`, by its name without suffix and by its path from `root` with and without suffix."""
    if not os.path.isdir(root):
        raise ValueError(f"{root}: no such folder of videos")
    found: dict[str, str] = {}
    for folder, _, names in sorted(os.walk(root, followlinks=True)):
        inside = os.path.relpath(folder, root)
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in VIDEO_SUFFIXES:
                path = os.path.join(folder, name)
                for key in (stem, name, *(os.path.join(inside, part) for part in (stem, name) if inside != ".")):
                    found.setdefault(key, path)
    return found


def check_present(source: str | Path, absent: Sequence[str], total: int, place: str | Path, may_miss: float) -> None:
    """ValueError where more than a share `may_miss` of a list's videos, or all, are `absent` from a place."""
    if absent and (len(absent) > may_miss * total or len(absent) == total):
        raise ValueError(
            f"{source}: {len(absent)} of {total} videos are not in {place}: {some(absent)}; DATA.MAX_BAD {may_miss:g} "
            f"lets {int(may_miss * total)} be missing"
        )


def some(names: Iterable[str], limit: int = 5) -> str:
    """The first few names for an error message: 'a, b and 7 more'."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
