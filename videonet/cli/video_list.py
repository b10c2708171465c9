"""Videos named on a command line: files and addresses, and lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

LISTS = (".txt", ".csv", ".tsv", ".lst")


def videos_of(words: Sequence[str]) -> dict[str, str]:
    """name -> video, of videos and of lists (one path a line, a label after it is ignored).

    The name is what files about the video are called: of a list's relative path the path without its suffix, else the
    video's own name. Two videos of one name are a mistake.
    """
    found: dict[str, str] = {}
    for name, video in (pair for word in words for pair in _named(word)):
        if name in found:
            raise ValueError(
                f"{video} and {found[name]} have the same name, {name}; list them by relative paths, or do them apart"
            )
        found[name] = video
    return found


def _named(word: str) -> Iterator[tuple[str, str]]:
    if not word.lower().endswith(LISTS):
        yield PurePath(word).stem, word
        return
    path = Path(word)
    if not path.is_file():
        raise ValueError(f"{word}: there is no such list; expected a text file with one path a line")
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    entries = [line.strip() for line in lines if line.strip()]
    if not entries:
        raise ValueError(f"{word}: the list is empty; expected one path a line")
    for entry in entries:
        written, video = _find(entry, path.parent)
        inside = PurePath(written)
        relative = not inside.is_absolute() and ".." not in inside.parts and "://" not in written
        yield (str(inside.with_suffix("")) if relative else inside.stem), video


def _find(entry: str, folder: Path) -> tuple[str, str]:
    """(path as written, path to open) of a line; it may start beside the list or in the working directory."""
    forms = [entry, *(entry.rpartition(mark)[0] for mark in (" ", ",", "\t") if entry.rpartition(mark)[2].isdecimal())]
    for form in forms:
        for place in (folder / form, Path(form)):
            if form and place.exists():
                return form, str(place)
    return forms[-1], forms[-1] if "://" in forms[-1] else str(folder / forms[-1])
