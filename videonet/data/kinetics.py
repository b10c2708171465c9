"""The Kinetics list format: one `path label` a line, no header, the label after the last separator."""

from __future__ import annotations

import os
import re
from pathlib import Path

from videonet.data.records import Records


class ListError(ValueError):
    """A list or one of its lines breaks a rule; the message starts with `file:line:`."""


def read_list(
    path: str | Path,
    *,
    prefix: str = "",
    separator: str = " ",
    num_classes: int = 0,
    training: bool = False,
) -> Records:
    """Read a list of `path label` lines, as PySlowFast writes them; paths may contain the separator.

    Three fields with a whole number in the middle, `path fn label`, are PySlowFast's older form: the middle is ignored.
    Relative paths are joined to `prefix`; without one they start beside the list, or, if the first video is not there,
    in the working directory. `classes.txt` beside the list gives the names. Labels are checked against `num_classes`,
    or else the number of names. For training a single class is refused: there is nothing to learn. A separator of
    backslash and t, as it comes from a shell, is a tab. Raises ListError.
    """
    path = Path(path)
    if not path.is_file():
        raise ListError(f"{path}: no such list; expected a text file with one `path label` a line")
    if not separator:
        raise ValueError("the separator between path and label is empty; the default is one space")
    separator = separator.replace("\\t", "\t")
    classes = read_classes(path.with_name("classes.txt"))
    paths, labels, lines = [], [], []
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            name, label = parse_line(line.rstrip("\r\n").rstrip(), separator, f"{path}:{number}")
            paths.append(name)
            labels.append(label)
            lines.append(number)
    if not paths:
        raise ListError(f"{path}: the list is empty; expected one `path label` a line")
    records = Records.pack(paths, labels, lines, root=prefix or root_of(path, paths[0]), source=path, classes=classes)
    check_classes(records, num_classes, training)
    return records


def check_classes(records: Records, num_classes: int = 0, training: bool = False) -> None:
    """Raise ListError unless the labels fit the number of classes (0: of names), and there is something to learn."""
    names, labels = records.classes, records.labels
    if names and num_classes and len(names) != num_classes:
        raise ListError(
            f"{records.source}: {len(names)} class names beside it, but the model has {num_classes} classes"
        )
    limit = num_classes or len(names or ())
    over = (labels >= limit).nonzero()
    if limit and len(over):
        row = int(over[0])
        raise ListError(
            f"{records.source}:{int(records.lines[row])}: label {int(labels[row])} is out of range: "
            f"{limit} classes are 0 to {limit - 1}"
        )
    if training and len(labels.unique()) == 1:
        raise ListError(
            f"{records.source}: all {len(labels)} rows have label {int(labels[0])}; with one class the loss is 0 and "
            "nothing is learned: list videos of two classes or more"
        )


def parse_line(line: str, separator: str, where: str) -> tuple[str, int]:
    """(path, label) of one line of a list; `where` begins the message of a ListError."""
    name, found, text = line.rpartition(separator)
    name, text = name.strip(), text.strip()
    if not found or not name:
        raise ListError(f"{where}: expected `path{separator}label`, got {line!r}{_hint(line, separator)}")
    if not re.fullmatch("-?[0-9]+", text):
        raise ListError(f"{where}: the label must be a whole number, got {text!r} in {line!r}{_hint(line, separator)}")
    label = int(text)
    if label < 0:
        raise ListError(f"{where}: the label must be 0 or more, got {label}")
    fields = name.split(separator)
    if len(fields) == 2 and fields[1].strip().isdecimal():
        name = fields[0].strip()
    return name, label


def _hint(line: str, separator: str) -> str:
    """What may be wrong with a line, for the end of a message."""
    if line.count(",") >= 3 and any(word in line for word in ("youtube_id", "time_start")):
        return "; this is an official annotation file, `videonet data kinetics` makes a list of it"
    for other, name in ((",", "','"), ("\t", "a tab"), (";", "';'"), (" ", "a space")):
        if other != separator and line.rpartition(other)[2].strip().isdecimal():
            return f"; the line looks separated by {name}: set DATA.SEPARATOR"
    return ""


def root_of(path: Path, first: str) -> str:
    """Where the relative paths of a list start when no prefix is given: `first` is one of them."""
    beside = os.path.join(path.parent, first)
    return "" if not os.path.exists(beside) and os.path.exists(first) else str(path.parent)


def read_classes(path: str | Path) -> tuple[str, ...] | None:
    """Class names, one a line in the order of the labels; None where there is no such file. Raises ListError."""
    path = Path(path)
    if not path.is_file():
        return None
    names = path.read_text(encoding="utf-8-sig").splitlines()
    while names and not names[-1].strip():
        names.pop()
    names = [name.strip() for name in names]
    if not names:
        raise ListError(f"{path}: no class name; expected one a line")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise ListError(f"{path}:{number}: an empty class name")
        if name in seen:
            raise ListError(f"{path}:{number}: class {name!r} is already on line {seen[name]}")
        seen[name] = number
    return tuple(names)


def read_split(
    folder: str | Path,
    split: str,
    *,
    prefix: str = "",
    num_classes: int = 0,
    training: bool = False,
    separator: str = " ",
) -> Records:
    """The list of a split, `train`, `val` or `test`, in a folder of lists: `train.csv` and so on (see `read_list`)."""
    return read_list(
        Path(folder) / f"{split}.csv", prefix=prefix, separator=separator, num_classes=num_classes, training=training
    )
