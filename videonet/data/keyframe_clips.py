"""Datasets of clips around keyframes, with the boxes of the people in them: to train and to evaluate detection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from videonet.data import sampling, transforms
from videonet.data.annotations import Annotations
from videonet.data.clips import ClipShape, FixedClips, TrainClips
from videonet.data.keyframes import Keyframe, Keyframes
from videonet.data.loader import collate
from videonet.data.video import Video, VideoError
from videonet.data.window import Window


def keyframe_clip(keyframe: Keyframe, video: Video, shape: ClipShape, target_fps: float = 30.0) -> np.ndarray:
    """The frame indices of the clip around a keyframe. (frames,)

    target_fps: frames a second that the rate counts; 0: those of the video, whatever its rate. Raises VideoError where
    the moment lies beyond the end.
    """
    centre = keyframe.frame
    if centre < 0:
        times = video.times - video.times[0]
        if keyframe.seconds >= times[-1] + 1.5 / video.fps:
            end = f"second {keyframe.seconds:g}, but it ends at {times[-1]:.3f}"
            raise VideoError(keyframe.path, "beyond the end", end)
        centre = int(np.abs(times - keyframe.seconds).argmin())
    stretch = video.fps / target_fps if target_fps else 1.0
    return sampling.centred_clip(centre, shape.frames, int(shape.rate), video.num_frames, stretch=stretch)


def boxes_of(keyframe: Keyframe, video: Video, window: Window, flip: bool, least: float = 0.0) -> dict:
    """The boxes of a keyframe as they lie in a window of its frames, mirrored or not.

    boxes float32 (n, 4): x1, y1, x2, y2 in pixels of the window's output; box_label float32 (n, classes); box_index
    int64 (n,): the number of each box in the whole list. Boxes of less than `least` pixels in the window are left out.
    """
    scale = torch.tensor([video.width, video.height, video.width, video.height])
    boxes = transforms.move_boxes(torch.from_numpy(keyframe.boxes) * scale, window)
    if flip:
        boxes = transforms.flip_boxes(boxes, window.out_w)
    shown = transforms.visible(boxes, least) if least else torch.ones(len(boxes), dtype=torch.bool)
    numbers = keyframe.first + torch.arange(len(boxes))
    return {"boxes": boxes[shown], "box_label": torch.from_numpy(keyframe.labels)[shown], "box_index": numbers[shown]}


class TrainKeyframes(TrainClips):
    """Random crops of the clips around keyframes: `TrainClips` with boxes in place of a label.

    An item may have no box: the crop can miss all. Item: clip uint8 (T, H, W, 3), flip bool, the keys of `boxes_of`,
    index (the keyframe that is shown), skipped [Missing].
    """

    def __init__(self, keyframes: Keyframes, shape: ClipShape, *, target_fps: float = 30.0, **settings: object) -> None:
        super().__init__(keyframes, shape, **settings)
        self.target_fps = target_fps

    def draw(self, record: Keyframe, video: Video, rng: np.random.Generator, shape: ClipShape) -> list[dict]:
        """The random crops of an open video around a keyframe, with the boxes in them."""
        indices = keyframe_clip(record, video, shape, self.target_fps)
        windows = [self.crop(rng, video.height, video.width, shape.size) for _ in range(self.repeats)]
        clips = video.read_many([(indices, window) for window in windows])
        items = []
        for clip, window in zip(clips, windows):
            flip = bool(rng.uniform() < self.flip)
            clip = clip if self.augment is None else self.augment(clip, rng)
            items.append({"clip": clip, "flip": flip, **boxes_of(record, video, window, flip, least=1.0)})
        return items


class KeyframeClips(FixedClips):
    """The clip around each keyframe, whole frames at a short side of shape.size, with all boxes: what gets a score.

    flip: mirror all, as PySlowFast's TEST_FORCE_FLIP. annotations: what the scores are evaluated against. Item: clip
    uint8 (T, H, W, 3), flip bool, the keys of `boxes_of`, index, damaged (Missing or None); or missing (Missing).
    """

    def __init__(
        self,
        keyframes: Keyframes,
        shape: ClipShape,
        *,
        annotations: Annotations | None = None,
        flip: bool = False,
        target_fps: float = 30.0,
        open_video: Callable = Video,
    ) -> None:
        super().__init__(keyframes, shape, open_video)
        self.annotations, self.flip, self.target_fps = annotations, flip, target_fps

    def show(self, record: Keyframe, video: Video) -> dict:
        """Clip and boxes of an open video."""
        window = transforms.whole(video.height, video.width, self.shape.size)
        clip = video.read(keyframe_clip(record, video, self.shape, self.target_fps), window)
        return {"clip": clip, "flip": self.flip, **boxes_of(record, video, window, self.flip)}

    @property
    def items(self) -> int:
        """How many boxes get a score."""
        return len(self.records.boxes)

    def items_of(self, row: int) -> Sequence[int]:
        """The boxes of a keyframe."""
        return range(int(self.records.starts[row]), int(self.records.starts[row + 1]))

    def name(self, item: int) -> str:
        """The keyframe of a box: `video@second`."""
        keyframe = self.records[int(np.searchsorted(self.records.starts, item, "right")) - 1]
        return f"{keyframe.video}@{keyframe.time:g}"

    @staticmethod
    def collate(items: Sequence[dict]) -> dict:
        """Items side by side, as their frames differ in size: {"items": [...]}."""
        return {"items": list(items)}

    def batches(self, loaded: Iterable[Mapping], chunk: int, device: torch.device | str) -> Iterator[dict]:
        """At most `chunk` clips at a time, those of equal size together."""
        waiting: list[dict] = []
        for item in (item for batch in loaded for item in batch["items"]):
            if waiting and (len(waiting) == chunk or waiting[0]["clip"].shape != item["clip"].shape):
                yield collate(waiting)
                waiting = []
            waiting.append(item)
        if waiting:
            yield collate(waiting)
