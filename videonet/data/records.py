"""Records: the rows of a list, packed so that a million of them cost no more in sixteen workers than in one process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch


@dataclass(frozen=True)
class Record:
    """One row: where the video is, its label (an int, or a float32 row of 0 and 1 per class), its line in the list, its
    row in the records. It can be opened as its path can.
    """

    path: str
    label: int | np.ndarray
    line: int
    row: int = -1

    def __fspath__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Records:
    """Rows of a list in four tensors; as tensors they go to spawned workers as shared memory, not as copies.

    paths: all paths joined, uint8; ends: where each one ends, int64 (N,); labels: int64 (N,) or float32 (N, classes);
    lines: int32 (N,). root is joined in front of relative paths; source is the list file.
    """

    paths: torch.Tensor
    ends: torch.Tensor
    labels: torch.Tensor
    lines: torch.Tensor
    root: str = ""
    source: str = ""
    classes: tuple[str, ...] | None = None

    @classmethod
    def pack(
        cls,
        paths: Sequence[str],
        labels: Sequence[int] | np.ndarray,
        lines: Sequence[int] | None = None,
        *,
        root: str | Path = "",
        source: str | Path = "",
        classes: Sequence[str] | None = None,
    ) -> Records:
        """Pack plain rows; without `lines` they are numbered from 1."""
        labels = torch.from_numpy(np.array(labels))
        labels = labels.float() if labels.dim() == 2 else labels.long()
        if len(labels) != len(paths):
            raise ValueError(f"{source or 'records'}: {len(paths)} paths but {len(labels)} labels")
        coded = [os.fsencode(path) for path in paths]
        ends = np.cumsum([len(path) for path in coded], dtype=np.int64)
        blob = np.frombuffer(b"".join(coded), dtype=np.uint8).copy()
        lines = np.arange(1, len(coded) + 1) if lines is None else np.array(lines)
        return cls(
            torch.from_numpy(blob),
            torch.from_numpy(ends),
            labels,
            torch.from_numpy(lines.astype(np.int32)),
            os.fspath(root),
            os.fspath(source),
            None if classes is None else tuple(classes),
        )

    def __len__(self) -> int:
        return len(self.ends)

    def path(self, index: int) -> str:
        """The path as the list has it, without root."""
        start = int(self.ends[index - 1]) if index else 0
        return os.fsdecode(self.paths[start : int(self.ends[index])].numpy().tobytes())

    def __getitem__(self, index: int) -> Record:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.source or 'records'}: row {index} of {len(self)}")
        index = int(index) % len(self)
        label = self.labels[index].numpy() if self.labels.dim() == 2 else int(self.labels[index])
        return Record(os.path.join(self.root, self.path(index)), label, int(self.lines[index]), index)

    def __iter__(self) -> Iterator[Record]:
        return (self[index] for index in range(len(self)))

    @property
    def num_classes(self) -> int:
        """Number of classes: of the names, of the label rows, or the largest label and one."""
        if self.classes is not None:
            return len(self.classes)
        return self.labels.shape[1] if self.labels.dim() == 2 else int(self.labels.max()) + 1

    def select(self, rows: Sequence[int] | np.ndarray) -> Records:
        """The given rows, in that order, as records of the same list."""
        paths = [self.path(int(row)) for row in rows]
        labels, lines = self.labels.numpy()[rows], self.lines.numpy()[rows]
        return Records.pack(paths, labels, lines, root=self.root, source=self.source, classes=self.classes)

    def digest(self) -> str:
        """sha256 of paths (as listed) and labels in order: equal lists on any machine have equal digests."""
        digest = hashlib.sha256(str(tuple(self.labels.shape)).encode())
        for tensor in (self.paths, self.ends, self.labels):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()
