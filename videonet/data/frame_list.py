"""Frame lists: videos stored as folders of images, listed as PySlowFast lists them (Charades, SSv2, AVA).

A header, then a row a frame, separated by spaces: `original_vido_id video_id frame_id path labels`, the labels in
quotes (`"3,17"`, or `""` for none). A video is the rows of one first column, in the order of the file.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from videonet.data.annotation import Problems, open_annotation
from videonet.data.records import Records
from videonet.data.segments import Segments

COLUMNS = "original_vido_id video_id frame_id path labels"


@dataclass(frozen=True)
class FrameLists:
    """Videos as lists of image files.

    videos: a row a video: its name and its label. counts: frames of each. segments: which labels are on which frames,
    where the list has labels. The paths of video i are compressed in bytes starts[i] : ends[i] of `blob`, since ten
    million of them are usual. root is joined in front of relative ones.
    """

    videos: Records
    counts: torch.Tensor
    blob: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    segments: Segments | None = None
    root: str = ""

    def __len__(self) -> int:
        return len(self.videos)

    def num_frames(self, index: int) -> int:
        """How many frames video `index` has."""
        return int(self.counts[index])

    def paths(self, index: int, frames: Sequence[int] | np.ndarray | None = None) -> list[str]:
        """Image files of video `index`: all, or those of the given frame indices."""
        paths = self.listed(index)
        chosen = paths if frames is None else [paths[frame] for frame in frames]
        return [os.path.join(self.root, os.fsdecode(path)) for path in chosen]

    def listed(self, index: int) -> list[bytes]:
        """The paths of video `index` as they are listed."""
        if not self.counts[index]:
            return []
        block = self.blob[int(self.starts[index]) : int(self.ends[index])].numpy().tobytes()
        return zlib.decompress(block).split(b"\n")

    @cached_property
    def rows(self) -> dict[str, int]:
        """Video name -> row."""
        return {self.videos.path(row): row for row in range(len(self))}

    def select(self, names: Sequence[str], labels: Sequence[int], classes: Sequence[str]) -> FrameLists:
        """The given videos in that order, with labels from elsewhere; those that are not here have no frame."""
        rows = torch.tensor([self.rows.get(name, -1) for name in names], dtype=torch.long)
        lines = torch.where(rows < 0, 0, self.videos.lines[rows]).tolist()
        videos = Records.pack(names, labels, lines, source=self.videos.source, classes=classes)
        columns = (torch.where(rows < 0, 0, column[rows]) for column in (self.counts, self.starts, self.ends))
        counts, starts, ends = columns
        return FrameLists(videos, counts, self.blob, starts, ends, root=self.root)

    def missing(self) -> list[str]:
        """The listed image files that do not exist; each folder is read once."""
        absent, seen = [], {}
        for row in range(len(self)):
            for path in self.paths(row):
                folder, name = os.path.split(path)
                if folder not in seen:
                    seen[folder] = set(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else set()
                if name not in seen[folder]:
                    absent.append(path)
        return absent


@dataclass
class _Video:
    """A video while its rows are read."""

    line: int
    count: int = 0
    blocks: list[bytes] = field(default_factory=list)
    paths: list[bytes] = field(default_factory=list)
    actions: list[tuple[int, int, int]] = field(default_factory=list)
    open: dict[int, int] = field(default_factory=dict)

    def show(self, labels: frozenset[int]) -> None:
        """The next frame has these labels: end the actions that stop, begin those that start."""
        for label in self.open.keys() - labels:
            self.actions.append((label, self.open.pop(label), self.count - 1))
        for label in labels - self.open.keys():
            self.open[label] = self.count

    def pack(self) -> None:
        """Compress the paths read since the last time."""
        self.blocks.append(zlib.compress(b"\n".join(self.paths), 1))
        self.paths = []

    def packed(self) -> bytes:
        """All paths, as one block."""
        if len(self.blocks) == 1:
            return self.blocks[0]
        return zlib.compress(b"\n".join(zlib.decompress(block) for block in self.blocks), 1)


def read_frame_list(
    path: str | Path,
    *,
    root: str | Path = "",
    num_classes: int = 0,
    problems: list[str] | None = None,
) -> FrameLists:
    """Read a frame list; with `num_classes` its labels too (a video's label is the union over its frames).

    Broken rows are left out and described in `problems`, or raise AnnotationError when no such list is given.
    """
    broken, videos = Problems(problems), {}
    labels_of = _labels_reader(num_classes)
    name, video, shown = b"", None, b""
    for number, row in _rows(path, broken):
        if row[0] != name or video is None:
            if video is not None:
                video.pack()
            name, shown = row[0], None
            video = videos.setdefault(name, _Video(number))
        if num_classes and row[4] != shown:
            try:
                video.show(labels_of(row[4]))
                shown = row[4]
            except ValueError as error:
                broken.add(path, number, error)
                continue
        video.paths.append(row[3])
        video.count += 1
    if video is not None:
        video.pack()
    broken.finish()
    videos = {name: video for name, video in videos.items() if video.count}
    if not videos:
        raise ValueError(f"{path}: no frames; expected the header `{COLUMNS}` and a row a frame")
    return _packed(path, root, videos, num_classes)


def _rows(path: str | Path, broken: Problems) -> Iterator[tuple[int, list[bytes]]]:
    """Line number and the five columns of each row."""
    with open_annotation(path) as file:
        for number, line in enumerate(file, 1):
            row = line.split()
            if len(row) == 5:
                if number > 1 or row[2].isdigit():
                    yield number, row
            elif row:
                broken.add(path, number, _wrong_columns(row))


def _packed(path: str | Path, root: str | Path, videos: dict[bytes, _Video], num_classes: int) -> FrameLists:
    segments = None
    if num_classes:
        for video in videos.values():
            video.show(frozenset())
        segments = Segments.pack([video.actions for video in videos.values()], num_classes)
    blocks = [video.packed() for video in videos.values()]
    sizes = torch.tensor([len(block) for block in blocks], dtype=torch.long)
    records = Records.pack(
        [os.fsdecode(name) for name in videos],
        segments.union() if segments else np.full(len(videos), -1),
        [video.line for video in videos.values()],
        source=path,
    )
    return FrameLists(
        records,
        torch.tensor([video.count for video in videos.values()], dtype=torch.long),
        torch.from_numpy(np.frombuffer(b"".join(blocks), np.uint8).copy()),
        sizes.cumsum(0) - sizes,
        sizes.cumsum(0),
        segments,
        os.fspath(root),
    )


def _labels_reader(num_classes: int) -> Callable[[bytes], frozenset[int]]:
    """A function from `"3,17"` to the labels; ValueError if they are none, or out of range."""
    known: dict[bytes, frozenset[int]] = {}

    def labels_of(text: bytes) -> frozenset[int]:
        if text not in known:
            shown = text.decode(errors="replace")
            parts = [part for part in text.strip(b"\"'").split(b",") if part]
            if not all(part.isdigit() for part in parts):
                raise ValueError(f'labels are whole numbers in quotes, as "3,17" or "", not {shown}')
            known[text] = frozenset(int(part) for part in parts)
            if max(known[text], default=0) >= num_classes:
                label = max(known.pop(text))
                raise ValueError(f"label {label} is out of range: {num_classes} classes are 0 to {num_classes - 1}")
        return known[text]

    return labels_of


def _wrong_columns(row: list[bytes]) -> str:
    hint = ", or is there a space in the path?" if len(row) > 5 else ""
    if len(row) == 1 and row[0].count(b",") >= 4:
        hint = "; the columns are separated by spaces, not by commas"
    return f"{len(row)} columns instead of the 5 of `{COLUMNS}`{hint}"
