"""A split of a dataset of boxes: its keyframes, and the datasets that train, validate and test on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch.utils.data import Dataset

from videonet.data.annotations import Annotations
from videonet.data.clips import ClipShape, FixedClips
from videonet.data.keyframe_clips import KeyframeClips, TrainKeyframes
from videonet.data.keyframes import Keyframes
from videonet.data.split import Listed


@dataclass(frozen=True)
class BoxSplit(Listed):
    """Keyframes with boxes. annotations: what scores are evaluated against, None to train only.

    labelled: the boxes that get a score are annotated ones. val_every: seconds between the keyframes of a validation.
    flip: mirror in the test.
    """

    records: Keyframes
    open_video: Callable
    annotations: Annotations | None = None
    labelled: bool = True
    val_every: int = 1
    flip: bool = False
    target_fps: float = 30.0

    task = "action_detection"

    def named(self, classes: Sequence[str]) -> BoxSplit:
        """The same with other names of the classes."""
        boxes = replace(self.records.boxes, classes=tuple(classes))
        return replace(self, records=replace(self.records, boxes=boxes))

    def describe(self, classes: int) -> str:
        """`train.csv: videos=3 keyframes=812 boxes=1650 labels=2411 classes=7`, and what was dropped."""
        facts = self.records.summary() | {"classes": classes}
        return f"{self.source}: " + " ".join(f"{key}={value}" for key, value in facts.items())

    def train(self, shape: ClipShape, **settings: object) -> Dataset:
        """Random crops around keyframes; settings: of `TrainClips`."""
        given = {"open_video": self.open_video, "target_fps": self.target_fps}
        return TrainKeyframes(self.records, shape, **given, **settings)

    def val(self, shape: ClipShape, *, scale: int = 0) -> FixedClips:
        """Whole frames around every `val_every`-th second."""
        records, annotations = self.records.every(self.val_every), self.annotations.every(self.val_every)
        return replace(self, records=records, annotations=annotations).test(shape, scale=scale)

    def test(self, shape: ClipShape, *, clips: int = 1, crops: int = 1, scale: int = 0) -> FixedClips:
        """Whole frames at a short side of `scale` (0: the size) around every keyframe: one view."""
        if clips != 1 or crops != 1:
            raise ValueError(
                f"a keyframe has 1 clip of whole frames, not {clips} x {crops}: set TEST.NUM_ENSEMBLE_VIEWS 1 and "
                "TEST.NUM_SPATIAL_CROPS 1"
            )
        given = {"annotations": self.annotations, "flip": self.flip, "target_fps": self.target_fps}
        shape = replace(shape, size=scale or shape.size)
        return KeyframeClips(self.records, shape, open_video=self.open_video, **given)
