"""Datasets of clips: records + video + which frames + geometry -> uint8 clips, to train, to validate, to test in views.

An item depends on its key only: a row, or a `Draw` of a row in an epoch. Parts that vary are handed in: a sampling rule
(data/sampling.py), a crop (data/transforms.py), an augmentation, and what opens a path (a video or a frame folder).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from videonet.data import sampling, transforms
from videonet.data.records import Record, Records
from videonet.data.sampling import ShortVideo
from videonet.data.video import Video, VideoError

MIDDLE = partial(sampling.clip_views, views=1, spans="to_end")
LONG = 1_000_000  # frames of a video that no clip is too long for
ATTEMPTS = 10  # how many videos in a row may fail before a training item is given up


@dataclass(frozen=True)
class ClipShape:
    """A clip has `frames` frames, `rate` apart, of `size` x `size` pixels; in multigrid training its rate is uniform
    from `rate` to `longest`."""

    frames: int
    rate: float
    size: int
    longest: int = 0

    def drawn(self, rng: np.random.Generator) -> ClipShape:
        """The shape of one clip, its rate drawn; without `longest` the same."""
        if not self.longest:
            return self
        return replace(self, rate=sampling.multigrid_rate(rng, int(self.rate), self.longest), longest=0)


class Draw(NamedTuple):
    """Key of an item: a row of the list in an epoch, and the clip shape of the step where that varies (multigrid)."""

    epoch: int
    index: int
    shape: ClipShape | None = None


class Missing(NamedTuple):
    """A video that could not be read, and why."""

    index: int
    path: str
    reason: str


class TrainClips(Dataset):
    """Random clips. A video that cannot be read is replaced by another one, drawn from the same key, and reported.

    sample: a training rule; crop: (rng, height, width, size) -> Window; flip: chance of a mirrored clip (the mirroring
    itself happens in `transforms.prepare`); augment: (frames, rng) -> frames; repeats: clips from each decode
    (arXiv 1901.09335), so an item is a list of that many. label: (record, video, indices) -> the label of a clip of
    these frames, where it is not the row's; mirrored (classes,): which class each becomes in a mirrored clip.
    Item: clip uint8 (T, H, W, 3), flip bool, label, index (the row that is shown), skipped [Missing].
    """

    def __init__(
        self,
        records: Records,
        shape: ClipShape,
        *,
        sample: Callable = sampling.random_clip,
        crop: Callable = transforms.random_crop,
        flip: float = 0.5,
        augment: Callable | None = None,
        repeats: int = 1,
        seed: int = 0,
        open_video: Callable = Video,
        label: Callable | None = None,
        mirrored: np.ndarray | None = None,
    ) -> None:
        if repeats < 1 or not 0 <= flip <= 1:
            raise ValueError(f"repeats must be at least 1 and flip a chance from 0 to 1, got {repeats} and {flip}")
        self.records, self.shape, self.sample, self.crop, self.flip = records, shape, sample, crop, flip
        self.augment, self.repeats, self.seed, self.open_video = augment, repeats, seed, open_video
        self.label, self.mirrored = label, mirrored

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: int | Draw) -> dict | list[dict]:
        draw = key if isinstance(key, Draw) else Draw(0, key)
        skipped: list[Missing] = []
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([self.seed, draw.epoch, draw.index, attempt])
            index = int(rng.integers(len(self))) if attempt else draw.index
            record = self.records[index]
            try:
                with self.open_video(record) as video:
                    items = self.draw(record, video, rng, (draw.shape or self.shape).drawn(rng))
            except (VideoError, ShortVideo) as error:
                skipped.append(Missing(index, record.path, error.reason))
                continue
            for item in items:
                item.update(index=index, skipped=[])
            items[0]["skipped"] = skipped
            return items[0] if self.repeats == 1 else items
        causes = "; ".join(f"{bad.path}: {bad.reason}" for bad in skipped[:5])
        raise ValueError(f"{self.records.source}: {ATTEMPTS} videos in a row could not be read, the first: {causes}")

    def draw(self, record: Record, video: Video, rng: np.random.Generator, shape: ClipShape) -> list[dict]:
        """The random clips of an open video, with their labels."""
        indices, windows = [], []
        for _ in range(self.repeats):
            indices.append(self.sample(rng, video.num_frames, video.fps, shape.frames, shape.rate))
            windows.append(self.crop(rng, video.height, video.width, shape.size))
        clips = video.read_many(list(zip(indices, windows)))
        labels = [self.label(record, video, shown) if self.label else record.label for shown in indices]
        flips = [bool(rng.uniform() < self.flip) for _ in clips]
        if self.augment is not None:
            clips = [self.augment(clip, rng) for clip in clips]
        if self.mirrored is not None:
            labels = [int(self.mirrored[label]) if flip else label for label, flip in zip(labels, flips)]
        return [{"clip": clip, "flip": flip, "label": label} for clip, flip, label in zip(clips, flips, labels)]


class FixedClips(Dataset):
    """What is evaluated: each row once, without chance. What cannot be read is missing, never replaced.

    `read` says what is taken from an open video. items: how many things get a score: rows, unless a subclass says
    otherwise; views: how many views are joined for each. An item of the dataset has index and damaged (Missing or
    None), or is missing (Missing).
    """

    views = 1

    def __init__(self, records: Records, shape: ClipShape, open_video: Callable = Video) -> None:
        self.records, self.shape, self.open_video = records, shape, open_video

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: int | Draw) -> dict:
        index = key.index if isinstance(key, Draw) else key
        record = self.records[index]
        try:
            with self.open_video(record) as video:
                item = self.show(record, video)
                repeated = video.missing
        except (VideoError, ShortVideo) as error:
            return {"missing": Missing(index, record.path, error.reason)}
        damaged = Missing(index, record.path, f"{repeated} frames repeated, the file is damaged") if repeated else None
        return {**item, "index": index, "damaged": damaged}

    def show(self, record: Record, video: Video) -> dict:
        """What an item has of a row and its open video."""
        return {**self.read(video), "label": record.label}

    @property
    def items(self) -> int:
        """How many items get a score."""
        return len(self)

    def items_of(self, row: int) -> Sequence[int]:
        """The items that a row has, all missing where it is."""
        return (row,)

    def name(self, item: int) -> str:
        """What an item is called in the results."""
        return self.records[item].path

    def batches(self, loaded: Iterable[Mapping], chunk: int, device: torch.device | str) -> Iterator[Mapping]:
        """The batches that a network takes, with the number of each item (and view), from those of a loader."""
        yield from loaded


class ValClips(FixedClips):
    """One fixed clip of each video: the middle one, its centre crop.

    sample: a test rule, of which the first view is taken; scale: the short side that the centre is cropped from (0: the
    size). Item: clip uint8 (T, H, W, 3), flip False, label, index, damaged (Missing or None); or missing (Missing).
    """

    def __init__(
        self,
        records: Records,
        shape: ClipShape,
        *,
        sample: Callable = MIDDLE,
        scale: int = 0,
        open_video: Callable = Video,
    ) -> None:
        transforms.crop_offsets(scale or shape.size, scale or shape.size, shape.size)
        super().__init__(records, shape, open_video)
        self.sample, self.scale = sample, scale

    def read(self, video: Video) -> dict:
        """The clip of an open video, and that it is not mirrored."""
        indices = self.sample(video.num_frames, video.fps, self.shape.frames, self.shape.rate)[0]
        window = transforms.centre_crop(video.height, video.width, self.shape.size, self.scale)
        return {"clip": video.read(indices, window), "flip": False}


class ViewClips(FixedClips):
    """All test views of each video from one decode: the frames that any view needs, and which ones each view shows.

    sample: a test rule; crops: spatial crops (`transforms.crop_offsets`) at a short side of `scale` (0: the size).
    Item: frames uint8 (U, H, W, 3), positions int64 (clips, T) into them, offsets int64 (crops, 2), size, label, index,
    damaged (Missing or None); or missing (Missing). View v is clip v // crops, crop v % crops: see `view_clips`.
    """

    def __init__(
        self,
        records: Records,
        shape: ClipShape,
        *,
        sample: Callable = sampling.clip_views,
        crops: int = 3,
        scale: int = 0,
        open_video: Callable = Video,
    ) -> None:
        transforms.crop_offsets(scale or shape.size, scale or shape.size, shape.size, crops)
        super().__init__(records, shape, open_video)
        self.sample, self.crops, self.scale = sample, crops, scale or shape.size

    @property
    def views(self) -> int:
        """Clips, as the rule makes them of any long video, times crops."""
        return len(self.sample(LONG, 30.0, self.shape.frames, self.shape.rate)) * self.crops

    def read(self, video: Video) -> dict:
        """Frames, positions and offsets of an open video."""
        indices = self.sample(video.num_frames, video.fps, self.shape.frames, self.shape.rate)
        unique, places = np.unique(indices, return_inverse=True)
        window = transforms.whole(video.height, video.width, self.scale)
        return {
            "frames": video.read(unique, window),
            "positions": torch.from_numpy(places.reshape(indices.shape)),
            "offsets": torch.from_numpy(
                transforms.crop_offsets(window.out_h, window.out_w, self.shape.size, self.crops)
            ),
            "size": self.shape.size,
        }

    @staticmethod
    def collate(items: Sequence[dict]) -> dict:
        """Items side by side, as their frames differ in number and size: {"items": [...]}."""
        return {"items": list(items)}

    def batches(self, loaded: Iterable[Mapping], chunk: int, device: torch.device | str) -> Iterator[dict]:
        """The views of one video after another, `chunk` at a time, with their labels."""
        for batch in loaded:
            for part in view_batches(batch["items"], chunk, device):
                yield {**part, "label": self.records.labels[part["index"]]}


def view_clips(item: Mapping, chunk: int, device: torch.device | str = "cpu") -> Iterator[torch.Tensor]:
    """The views of one item of `ViewClips` in order, at most `chunk` at a time, formed on the device.

    Yields uint8 (v, T, size, size, 3); the frames move to the device once.
    """
    for batch in view_batches([item], chunk, device):
        yield batch["clip"]


def view_batches(items: Sequence[Mapping], chunk: int, device: torch.device | str = "cpu") -> Iterator[dict]:
    """The views of several items, `chunk` at a time (the last batch may be smaller).

    Yields {"clip": uint8 (v, T, size, size, 3) on the device, "index": int64 (v,) rows, "view": int64 (v,) numbers}.
    """
    clips, index, view = [], [], []
    for item in items:
        frames, size = item["frames"].to(device, non_blocking=True), item["size"]
        crops = len(item["offsets"])
        for number in range(len(item["positions"]) * crops):
            y, x = item["offsets"][number % crops].tolist()
            positions = item["positions"][number // crops].to(device)
            clip = frames[:, y : y + size, x : x + size][positions]
            clips.append(clip.flip(-2) if crops == 10 and number % crops >= 5 else clip)
            index.append(item["index"])
            view.append(number)
            if len(clips) == chunk:
                yield {"clip": torch.stack(clips), "index": torch.tensor(index), "view": torch.tensor(view)}
                clips, index, view = [], [], []
    if clips:
        yield {"clip": torch.stack(clips), "index": torch.tensor(index), "view": torch.tensor(view)}
