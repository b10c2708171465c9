"""A split of a dataset: its rows, how a row is read, and the datasets that train, validate and test on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch.utils.data import Dataset

from videonet.data import sampling
from videonet.data.clips import ClipShape, FixedClips, TrainClips, ValClips, ViewClips
from videonet.data.images import TrainImages, ValImages, ViewImages
from videonet.data.keyframes import Keyframes
from videonet.data.moments import MomentClips
from videonet.data.records import Records
from videonet.data.sampling import Rules
from videonet.data.segments import Segments
from videonet.data.video import Video


@dataclass(frozen=True)
class Reading:
    """What holds for a dataset of any format: where its files are, how many classes it has, how its videos are read.

    prefix: folder that paths start from, "" for where the format has them; num_classes: 0 for what the files say;
    may_miss: the share of a list's videos that need not be there, where the format says which there are; they are
    missing when they are read. backend, target_fps: the decoder, and the rate that clips count in; short: what becomes
    of videos shorter than a clip; spans: where test clips start (`sampling.view_starts`).
    """

    prefix: str = ""
    num_classes: int = 0
    may_miss: float = 0.0
    backend: str = "pyav"
    target_fps: float = 30.0
    short: str = "repeat_last"
    spans: str = "published"

    @property
    def video(self) -> Callable:
        """Opens a video file."""
        return partial(Video, backend=self.backend)

    def rules(self, kind: str) -> Rules:
        """The sampling rules of a kind (see `sampling.rules`)."""
        return sampling.rules(kind, target_fps=self.target_fps, short=self.short, spans=self.spans)


USUAL = Reading()


class Listed:
    """What is known of a split by its `records`. labelled: what is evaluated has labels of its own."""

    records: Records | Keyframes
    labelled = True

    def __len__(self) -> int:
        return len(self.records)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, where they are known."""
        return self.records.classes

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return self.records.num_classes

    @property
    def source(self) -> str:
        """The file of the list."""
        return self.records.source

    def digest(self) -> str:
        """sha256 of the list."""
        return self.records.digest()


@dataclass(frozen=True)
class Split(Listed):
    """Videos with labels. label, mirrored: of `TrainClips`, where a clip's label is not the row's."""

    records: Records
    open_video: Callable
    rules: Rules
    label: Callable | None = None
    mirrored: np.ndarray | None = None

    @property
    def task(self) -> str:
        """What can be learned from it."""
        return "classification" if self.records.labels.dim() == 1 else "multi_label"

    def named(self, classes: Sequence[str]) -> Split:
        """The same with other names of the classes."""
        return replace(self, records=replace(self.records, classes=tuple(classes)))

    def describe(self, classes: int) -> str:
        """`list.csv: videos=812 classes=7 (per class min 9 max 240)`."""
        labels = self.records.labels
        counts = torch.bincount(labels, minlength=classes) if labels.dim() == 1 else labels.sum(0).long()
        per_class = f"(per class min {int(counts.min())} max {int(counts.max())})"
        return f"{self.source}: videos={len(self)} classes={classes} {per_class}"

    def train(self, shape: ClipShape, **settings: object) -> Dataset:
        """Random clips; settings: of `TrainClips`."""
        given = {"sample": self.rules.train, "open_video": self.open_video, "label": self.label}
        return TrainClips(self.records, shape, **given, mirrored=self.mirrored, **settings)

    def val(self, shape: ClipShape, *, scale: int = 0) -> FixedClips:
        """The middle clip of each video, its centre from a short side of `scale` (0: the size)."""
        return ValClips(self.records, shape, sample=self.rules.val, scale=scale, open_video=self.open_video)

    def test(self, shape: ClipShape, *, clips: int, crops: int, scale: int = 0) -> FixedClips:
        """All views of each video."""
        sample = partial(self.rules.test, views=clips)
        return ViewClips(self.records, shape, sample=sample, crops=crops, scale=scale, open_video=self.open_video)


@dataclass(frozen=True)
class ImageSplit(Split):
    """Images with labels: clips of one frame, without time."""

    def train(self, shape: ClipShape, **settings: object) -> Dataset:
        """Random crops; settings: of `TrainClips`."""
        return TrainImages(self.records, replace(shape, frames=1), open_video=self.open_video, **settings)

    def val(self, shape: ClipShape, *, scale: int = 0) -> FixedClips:
        """The centre crop of each image."""
        return ValImages(self.records, replace(shape, frames=1), scale=scale, open_video=self.open_video)

    def test(self, shape: ClipShape, *, clips: int, crops: int, scale: int = 0) -> FixedClips:
        """1, 3, 5 or 10 crops of each image."""
        if clips != 1:
            raise ValueError(f"an image has 1 clip, not {clips}: set TEST.NUM_ENSEMBLE_VIEWS 1")
        sample = partial(sampling.clip_views, views=1)
        given = {"crops": crops, "scale": scale, "open_video": self.open_video}
        return ViewImages(self.records, replace(shape, frames=1), sample=sample, **given)


@dataclass(frozen=True)
class MomentSplit(Split):
    """Videos with actions in time, tested at moments of their own (Charades localisation). segments: in frames, or in
    seconds where `in_seconds`.
    """

    segments: Segments | None = None
    in_seconds: bool = False

    def test(self, shape: ClipShape, *, clips: int, crops: int, scale: int = 0) -> FixedClips:
        """Each video at `clips` moments, as items of their own, in views that are crops."""
        given = {"moments": clips, "crops": crops, "scale": scale, "open_video": self.open_video}
        return MomentClips(self.records, shape, self.segments, in_seconds=self.in_seconds, **given)
