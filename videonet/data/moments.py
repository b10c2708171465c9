"""Clips around moments of videos, each moment an item of its own: actions found in time (Charades localisation)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from videonet.data import sampling
from videonet.data.clips import ClipShape, ViewClips, view_batches
from videonet.data.records import Record, Records
from videonet.data.segments import Segments
from videonet.data.video import Video


def moment_frames(total: int, moments: int) -> np.ndarray:
    """The frames at 0, 1 / moments, 2 / moments ... of a video. (moments,)"""
    return np.arange(moments) * total // moments


class MomentClips(ViewClips):
    """The clips around equally spaced moments of each video; item m of video v has number v * moments + m.

    segments: the actions of each video, in frames, or in seconds where `in_seconds`; an item's label is what goes on at
    its moment. Strides count frames of the video. Other arguments, and items: of `ViewClips`.
    """

    def __init__(
        self,
        records: Records,
        shape: ClipShape,
        segments: Segments,
        *,
        in_seconds: bool = False,
        moments: int = 25,
        crops: int = 1,
        scale: int = 0,
        open_video: Callable = Video,
    ) -> None:
        super().__init__(records, shape, sample=self.around, crops=crops, scale=scale, open_video=open_video)
        self.segments, self.in_seconds, self.moments = segments, in_seconds, moments

    def around(self, total: int, fps: float, frames: int, rate: int) -> np.ndarray:
        """The frames of the clips. (moments, frames)"""
        centres = moment_frames(total, self.moments)
        return np.stack([sampling.centred_clip(int(centre), frames, int(rate), total) for centre in centres])

    @property
    def views(self) -> int:
        """Crops."""
        return self.crops

    @property
    def items(self) -> int:
        """Videos times moments."""
        return len(self) * self.moments

    def items_of(self, row: int) -> Sequence[int]:
        """The moments of a video."""
        return range(row * self.moments, (row + 1) * self.moments)

    def name(self, item: int) -> str:
        """`path#moment`."""
        return f"{self.records[item // self.moments].path}#{item % self.moments}"

    def show(self, record: Record, video: Video) -> dict:
        """The frames of an open video, and what goes on at each moment: label float32 (moments, classes)."""
        at = moment_frames(video.num_frames, self.moments)
        times = video.times[at] - video.times[0] if self.in_seconds else at
        return {**self.read(video), "label": torch.from_numpy(self.segments.at(record.row, times))}

    def batches(self, loaded: Iterable[Mapping], chunk: int, device: torch.device | str) -> Iterator[dict]:
        """The views of one video after another, `chunk` at a time, with the labels of their moments."""
        for batch in loaded:
            labels = {item["index"]: item["label"] for item in batch["items"]}
            for part in view_batches(batch["items"], chunk, device):
                row, moment, crop = part["index"], part["view"] // self.crops, part["view"] % self.crops
                label = torch.stack([labels[r][m] for r, m in zip(row.tolist(), moment.tolist())])
                yield {**part, "index": row * self.moments + moment, "view": crop, "label": label}
