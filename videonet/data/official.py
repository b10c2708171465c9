"""Lists from official annotation files: Kinetics 400/600/700, UCF101, HMDB51, with what is found, missing and extra."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from videonet.data.kinetics import ListError
from videonet.data.lists import find_videos, write_lists

SPLIT_NAMES = {"train": "train", "validate": "val", "validation": "val", "val": "val", "test": "test"}
Row = tuple[str, str, list[str]]  # split, class name, file names without suffix that the video may have


def kinetics(annotations: str | Path | Sequence[str | Path], videos: str | Path, out: str | Path) -> dict:
    """Lists of Kinetics from its csv files (label, youtube_id, time_start, time_end, split) and a folder of videos.

    Videos may lie in any folders under `videos`, named ID.mp4 or ID_000010_000020.mp4. Classes are in alphabetical
    order of their names, as everywhere in the field. See `_match` for what is returned. Raises ListError.
    """
    files = [annotations] if isinstance(annotations, (str, Path)) else list(annotations)
    rows = [row for file in files for row in _kinetics_rows(Path(file))]
    return _match(rows, videos, out, sorted({name for _, name, _ in rows}))


def _kinetics_rows(path: Path) -> Iterable[Row]:
    needed = ("label", "youtube_id", "time_start", "time_end", "split")
    with _open(path) as file:
        reader = csv.DictReader(file)
        lacking = [column for column in needed if column not in (reader.fieldnames or ())]
        if lacking:
            raise ListError(f"{path}: no column {', '.join(lacking)}; expected the header {','.join(needed)}")
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if not row["label"] or row["split"] not in SPLIT_NAMES:
                raise ListError(f"{where}: expected a label and a split of train, validate or test, got {row}")
            try:
                start, end = (round(float(row[key])) for key in ("time_start", "time_end"))
            except (TypeError, ValueError):
                raise ListError(f"{where}: time_start and time_end must be seconds, got {row}") from None
            name = row["youtube_id"]
            yield SPLIT_NAMES[row["split"]], row["label"], [f"{name}_{start:06d}_{end:06d}", name]


def ucf101(splits: str | Path, videos: str | Path, out: str | Path, *, fold: int = 1) -> dict:
    """Lists of UCF101 from classInd.txt, trainlist0F.txt and testlist0F.txt (whose videos become val)."""
    splits = Path(splits)
    with _open(splits / "classInd.txt") as file:
        classes = [line.split()[-1] for line in file if line.strip()]
    rows: list[Row] = []
    for split, name in (("train", f"trainlist{fold:02d}.txt"), ("val", f"testlist{fold:02d}.txt")):
        with _open(splits / name) as file:
            for number, line in enumerate(file, 1):
                folder, found, video = line.split()[0].partition("/") if line.strip() else ("", "", "")
                if line.strip() and (not found or folder not in classes):
                    raise ListError(f"{splits / name}:{number}: expected CLASS/video.avi, got {line.strip()!r}")
                if found:
                    rows.append((split, folder, [Path(video).stem]))
    return _match(rows, videos, out, classes)


def hmdb51(splits: str | Path, videos: str | Path, out: str | Path, *, fold: int = 1) -> dict:
    """Lists of HMDB51 from CLASS_test_splitF.txt (`video.avi 1` is train, 2 is test and becomes val, 0 neither)."""
    files = sorted(Path(splits).glob(f"*_test_split{fold}.txt"))
    if not files:
        raise ListError(f"{splits}: no CLASS_test_split{fold}.txt")
    rows: list[Row] = []
    for path in files:
        name = path.name[: -len(f"_test_split{fold}.txt")]
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                match = re.fullmatch(r"(.+?)\s+([012])", line.strip())
                if line.strip() and match is None:
                    raise ListError(f"{path}:{number}: expected `video.avi` and 0, 1 or 2, got {line.strip()!r}")
                if match and match[2] != "0":
                    rows.append(("train" if match[2] == "1" else "val", name, [Path(match[1]).stem]))
    return _match(rows, videos, out, sorted({name for _, name, _ in rows}))


def _open(path: Path):
    """An annotation file, opened."""
    if not path.is_file():
        raise ListError(f"{path}: no such file")
    return path.open(encoding="utf-8-sig", newline="")


def _match(rows: Sequence[Row], videos: str | Path, out: str | Path, classes: Sequence[str]) -> dict:
    """Write the lists of the videos that are there, and out/missing.txt with the others.

    What `lists.write_lists` returns, and found and missing (of the annotations' rows) and extra (videos on disk that no
    row names). Names are compared without regard to case: UCF101 spells one class in two ways.
    """
    videos, out = Path(videos), Path(out)
    if not videos.is_dir():
        raise ListError(f"{videos}: no such folder of videos")
    on_disk: dict[str, str] = {}
    for path in find_videos(videos):
        on_disk.setdefault(Path(path).stem.casefold(), path)
    label_of = {name: label for label, name in enumerate(classes)}
    lists: dict[str, list[tuple[Path, int]]] = {}
    missing, used = [], set()
    for split, name, stems in rows:
        path = next((on_disk[stem.casefold()] for stem in stems if stem.casefold() in on_disk), None)
        if path is None:
            missing.append(f"{split} {stems[0]}\n")
            continue
        used.add(path)
        lists.setdefault(split, []).append((videos / path, label_of[name]))
    if not lists:
        example = f", e.g. {rows[0][2][0]}.mp4" if rows else ""
        raise ListError(f"{videos}: none of the {len(rows)} annotated videos is there{example}")
    report = write_lists(out, lists, classes)
    (out / "missing.txt").write_text("".join(missing), encoding="utf-8")
    found = len(rows) - len(missing)
    return {**report, "found": found, "missing": len(missing), "extra": len(set(on_disk.values()) - used)}
