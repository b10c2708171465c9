"""Keyframes: the moments of videos at which people are boxed, as items to train and test detection on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videonet.data.annotation import check_present, video_files
from videonet.data.boxes import Boxes, merge, milliseconds
from videonet.data.frame_list import FrameLists


@dataclass(frozen=True)
class Keyframe:
    """One moment.

    path: the video file, or the video's name where frame lists are used; seconds: the moment in it; row, frame: its row
    in the frame lists and its index there, or -1; id: the integer of (video, time) that evaluation takes; first: the
    number of its first box in the whole list. boxes float32 (n, 4): x1, y1, x2, y2 in fractions of the frame; labels
    float32 (n, classes): 0 or 1; scores float32 (n,); persons: texts, "" if not given. It opens as its path does.
    """

    video: str
    time: float
    id: int
    path: str
    seconds: float
    row: int
    frame: int
    first: int
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    persons: tuple[str, ...]

    def __fspath__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Keyframes:
    """Keyframes of a list, in the order of videos and then of time.

    boxes: all, sorted so that keyframe i has boxes starts[i] : starts[i + 1] and labels label_starts[i] :
    label_starts[i + 1]; ids (K,): the integer of each keyframe that evaluation takes. Either paths (V,) are the video
    files, as bytes; or frames are frame lists, lists (V,) their rows, with `fps` images a second. Both begin at second
    `start` of the annotations.
    """

    boxes: Boxes
    starts: np.ndarray
    label_starts: np.ndarray
    ids: np.ndarray
    num_classes: int
    start: float = 0.0
    paths: np.ndarray | None = None
    frames: FrameLists | None = None
    lists: np.ndarray | None = None
    fps: float = 30.0

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Keyframe:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.boxes.source or 'keyframes'}: row {index} of {len(self)}")
        b, index = self.boxes, index % len(self)
        first, end = int(self.starts[index]), int(self.starts[index + 1])
        mine = slice(int(self.label_starts[index]), int(self.label_starts[index + 1]))
        row, label = b.row[mine] - first, b.label[mine]
        labels = np.zeros((end - first, self.num_classes), np.float32)
        labels[row[label >= 0], label[label >= 0]] = 1
        scores = np.zeros(end - first, np.float32)
        np.maximum.at(scores, row, b.score[mine])
        video, time = int(b.video[first]), float(b.time[first])
        listed, name = self.lists is not None, b.videos[video].decode()
        return Keyframe(
            video=name,
            time=time,
            id=int(self.ids[index]),
            path=name if listed else os.fsdecode(self.paths[video]),
            seconds=time - self.start,
            row=int(self.lists[video]) if listed else -1,
            frame=int(frame_index(time, self.start, self.fps)) if listed else -1,
            first=first,
            boxes=b.box[first:end].astype(np.float32),
            labels=labels,
            scores=scores,
            persons=tuple(person.decode() for person in b.person[first:end].tolist()),
        )

    @property
    def source(self) -> str:
        """The files that the boxes are from."""
        return self.boxes.source

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, where they are known."""
        return self.boxes.classes

    def every(self, seconds: int) -> Keyframes:
        """Those at whole multiples of so many seconds, as PySlowFast validates while it trains; all, if none is."""
        keep = milliseconds(self.boxes.time) % (1000 * seconds) == 0
        if not keep.any():
            return self
        return _sorted(
            self.boxes.select(keep, f"not every {seconds} s"),
            num_classes=self.num_classes,
            start=self.start,
            fps=self.fps,
            paths=self.paths,
            frames=self.frames,
            lists=self.lists,
        )

    def files(self, index: int, indices: Sequence[int] | np.ndarray) -> list[str]:
        """The image files of the video of keyframe `index`, at the given indices of its frame list."""
        return self.frames.paths(int(self.lists[self.boxes.video[self.starts[index]]]), indices)

    def num_frames(self, index: int) -> int:
        """Length of the frame list of the video of keyframe `index`."""
        return self.frames.num_frames(int(self.lists[self.boxes.video[self.starts[index]]]))

    def summary(self) -> dict[str, int]:
        """How many videos, keyframes, boxes, labels and classes there are, and how many rows each rule dropped."""
        b = self.boxes
        counts = {"videos": len(np.unique(b.video)), "keyframes": len(self), "boxes": len(b)}
        counts |= {"labels": int((b.label >= 0).sum()), "classes": self.num_classes}
        return counts | {f"dropped: {rule}": count for rule, count in sorted(b.dropped.items())}

    def digest(self) -> str:
        """sha256 of videos, times, boxes and labels in order: equal lists on any machine have equal digests."""
        digest = hashlib.sha256()
        for name in ("videos", "video", "time", "box", "row", "label"):
            digest.update(getattr(self.boxes, name).tobytes())
        return digest.hexdigest()


def frame_index(time: np.ndarray | float, start: float, fps: float) -> np.ndarray:
    """The image, of `fps` a second from second `start`, that shows a moment."""
    return np.rint((np.asarray(time) - start) * fps).astype(np.int64)


def keyframes(
    lists: Sequence[Boxes],
    *,
    num_classes: int = 0,
    videos: str | Path | None = None,
    frames: FrameLists | None = None,
    start: float = 0.0,
    fps: float = 30.0,
    may_miss: float = 0.0,
    duration: Callable[[str], float] | None = None,
) -> Keyframes:
    """Keyframes of one or several box lists; equal boxes of a moment become one box with all the labels.

    Either `videos` is a folder of video files, or `frames` are frame lists of `fps` images a second. start: the second
    of the annotations at which files begin (AVA's are often cut from second 900). num_classes: by default what the
    lists have. Moments beyond the end of a frame list, or of a video where `duration` of a path is given, are dropped
    and counted. ValueError names videos that are not there, if they are more than a share `may_miss`; else they stay,
    and are missing where they are read.
    """
    if (videos is None) == (frames is None):
        raise ValueError("give either the folder of the videos or frame lists")
    boxes = _checked(merge(lists), num_classes, start)
    places = video_places(boxes, videos) if frames is None else [frames.rows.get(name) for name in boxes.names()]
    names, used = boxes.names(), np.unique(boxes.video).tolist()
    absent = [names[k] for k in used if places[k] is None]
    check_present(boxes.source, absent, len(used), videos if frames is None else frames.videos.source, may_miss)
    if frames is not None:
        ends = [np.inf if row is None else frames.num_frames(row) / fps for row in places]
    else:
        ends = [duration(path) if duration and path else np.inf for path in places]
        places = [path or os.path.join(videos, name) for path, name in zip(places, names)]
    boxes = boxes.select(boxes.time - start < np.array(ends)[boxes.video] - 1e-6, "beyond the end")
    if not len(boxes):
        raise ValueError(f"{boxes.source}: no box is left; dropped: {boxes.dropped or 'none'}")
    settings = {"num_classes": num_classes or boxes.num_classes, "start": start, "fps": fps}
    if frames is None:
        return _sorted(boxes, paths=np.array([os.fsencode(path) for path in places], np.bytes_), **settings)
    return _sorted(boxes, frames=frames, lists=np.array([-1 if r is None else r for r in places]), **settings)


def _checked(boxes: Boxes, num_classes: int, start: float) -> Boxes:
    if num_classes and boxes.label.max(initial=-1) >= num_classes:
        raise ValueError(f"{boxes.source}: label {boxes.label.max()} is out of range: there are {num_classes} classes")
    if boxes.time.min(initial=start) < start:
        raise ValueError(f"{boxes.source}: second {boxes.time.min():g} is before the files begin, at second {start:g}")
    return boxes


def video_places(boxes: Boxes, root: str | Path) -> list[str | None]:
    """The file of each video, found by its path or its name."""
    files = video_files(root)
    paths = [os.path.join(root, name) for name in boxes.names()]
    return [files.get(name) or (path if os.path.isfile(path) else None) for name, path in zip(boxes.names(), paths)]


def _sorted(
    boxes: Boxes,
    *,
    num_classes: int,
    start: float,
    fps: float,
    paths: np.ndarray | None = None,
    frames: FrameLists | None = None,
    lists: np.ndarray | None = None,
) -> Keyframes:
    order = np.lexsort((boxes.time, boxes.video))
    boxes = boxes.take(order)
    changes = (np.diff(boxes.video) != 0) | (np.diff(boxes.time) != 0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(boxes)]])
    ids, labels = boxes.frame[starts[:-1]], np.searchsorted(boxes.row, starts)
    return Keyframes(boxes, starts, labels, ids, num_classes, start, paths, frames, lists, fps)
