"""What is wrong with each row of a list: every frame of every video is decoded, several videos at a time."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from videonet.data.kinetics import ListError, parse_line, read_classes, read_list, root_of
from videonet.data.processes import CRASHED, in_processes
from videonet.data.sampling import clip_span
from videonet.data.transforms import whole
from videonet.data.video import Video, VideoError

CHUNK = 256  # frames decoded at once
GOOD = "good"


@dataclass(frozen=True)
class Row:
    """A line of a list: where it is, what it names, and what is wrong with it ("" if nothing)."""

    line: int
    path: str
    label: int
    problem: str

    @property
    def kind(self) -> str:
        """The problem without its numbers and details, to count by."""
        return self.problem.split(":")[0].split(" at frame")[0] or GOOD


def check(
    path: str | Path,
    *,
    prefix: str = "",
    separator: str = " ",
    num_classes: int = 0,
    clip: tuple[int, float, float] | None = None,
    bad: str | Path | None = None,
    workers: int = 1,
    backend: str = "pyav",
) -> dict:
    """Classify every row of a list, with a progress bar; see `data.kinetics.read_list` for the arguments it shares.

    A row is good, or malformed, label out of range, missing, empty, unreadable, no video stream, no frames, too short
    (for `clip`: frames, rate, target fps), decode error at frame K, or one that crashes the decoder. Returns rows
    (their number), counts by kind, bad (a dict for each bad row), duplicates (rows that name a video again) and the
    digest of a list without malformed lines. The bad rows are also written to the csv file `bad`. Raises ListError if
    there is no list, or nothing in it.
    """
    rows = _parse(Path(path), prefix, separator, num_classes)
    todo = [number for number, row in enumerate(rows) if not row.problem]
    find = partial(problem_of, clip=clip, backend=backend)
    bar = tqdm(total=len(todo), desc=f"check {Path(path).name}", unit="video", disable=None)
    for number, problem in in_processes(find, {number: rows[number].path for number in todo}, workers):
        problem = "crashes the decoder" if problem is CRASHED else problem
        rows[number] = replace(rows[number], problem=problem)
        bar.update()
    bar.close()
    wrong = [row for row in rows if row.problem]
    if bad is not None:
        write_rows(bad, wrong)
    malformed = any(row.kind == "malformed" for row in wrong)
    return {
        "rows": len(rows),
        "counts": dict(sorted(Counter(row.kind for row in rows).items())),
        "bad": [asdict(row) for row in wrong],
        "duplicates": len(rows) - len({row.path for row in rows}),
        "digest": "" if malformed else read_list(path, prefix=prefix, separator=separator).digest(),
    }


def _parse(path: Path, prefix: str, separator: str, num_classes: int) -> list[Row]:
    """All rows of a list, the malformed ones too."""
    if not path.is_file():
        raise ListError(f"{path}: no such list; expected a text file with one `path label` a line")
    limit = num_classes or len(read_classes(path.with_name("classes.txt")) or ())
    parsed = []
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                parsed.append((number, *parse_line(line.strip(), separator, "malformed"), ""))
            except ListError as error:
                parsed.append((number, line.strip(), -1, str(error)))
    if not parsed:
        raise ListError(f"{path}: the list is empty; expected one `path label` a line")
    first = next((name for _, name, _, problem in parsed if not problem), "")
    root, rows = Path(prefix or root_of(path, first)), []
    for number, name, label, problem in parsed:
        if limit and label >= limit:
            problem = f"label out of range: {label}, while {limit} classes are 0 to {limit - 1}"
        rows.append(Row(number, name if problem.startswith("malformed") else str(root / name), label, problem))
    return rows


def problem_of(path: str, *, clip: tuple[int, float, float] | None = None, backend: str = "pyav") -> str:
    """What is wrong with a video, after decoding all its frames; "" if nothing."""
    try:
        with Video(path, backend) as video:
            window = whole(video.height, video.width, 16)
            for start in range(0, video.num_frames, CHUNK):
                frames = np.arange(start, min(start + CHUNK, video.num_frames))
                before = video.missing, video.errors
                video.read(frames, window)
                if (video.missing, video.errors) != before:
                    return _first_error(video, frames)
            needed = clip_span(clip[0], clip[1], video.fps, clip[2]) if clip else 0
            if video.num_frames < needed:
                return f"too short: {video.num_frames} frames, a clip spans {needed:.0f}"
    except VideoError as error:
        return error.reason + (f": {error.detail}" if error.detail else "")
    return ""


def _first_error(video: Video, frames: np.ndarray) -> str:
    """Which of the frames is the first that cannot be decoded, or else the first of those where errors were hidden."""
    for frame in frames:
        before = video.missing
        try:
            video.read([frame])
        except VideoError:
            return f"decode error at frame {frame}"
        if video.missing > before:
            return f"decode error at frame {frame}"
    return f"decode error at frame {frames[0]}: or in the {len(frames) - 1} after it; the decoder concealed it"


def write_rows(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows as a csv file."""
    with Path(path).open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "path", "label", "problem"))
        writer.writerows((row.line, row.path, row.label, row.problem) for row in rows)
