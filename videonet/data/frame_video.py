"""Videos of frame lists, read as videos of files are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from videonet.data.decoders.error import VideoError
from videonet.data.decoders.frames import FramesReader
from videonet.data.frame_list import FrameLists
from videonet.data.keyframes import Keyframe
from videonet.data.records import Record
from videonet.data.video import Video

ORIENTATION = 0x0112  # the Exif tag; from 5 on, an image is shown turned by a quarter
FPS = 30.0


class ListedReader(FramesReader):
    """The images that a list names, in its order (see `decoders.reader.Reader`); their size is read from a header."""

    def __init__(self, name: str, root: str, listed: list[bytes], fps: float) -> None:
        self.name, self.fps = name, fps
        self.missing = self.errors = 0
        self._paths = _Joined(root, listed)
        self.num_frames = len(listed)

    @cached_property
    def shape(self) -> tuple[int, int]:
        for path in self._paths:
            try:
                with Image.open(path) as image:
                    turned = image.getexif().get(ORIENTATION, 1) > 4
                    return image.size if turned else image.size[::-1]
            except (OSError, ValueError, SyntaxError):
                continue
        reason = "unreadable" if any(map(os.path.exists, self._paths)) else "missing"
        raise VideoError(self.name, reason, f"none of its {self.num_frames} images, the first is {self._paths[0]}")


class _Joined:
    """Paths that are joined to their root when they are asked for: a film has 27000."""

    def __init__(self, root: str, listed: list[bytes]) -> None:
        self.root, self.listed = root, listed

    def __getitem__(self, index: int) -> str:
        return os.path.join(self.root, os.fsdecode(self.listed[index]))


class FrameVideo(Video):
    """A video of frame lists. Images that cannot be read are shown as their neighbours, and counted in `missing`.

    Raises:
        VideoError: none of the images can be read, or none is listed.
    """

    def __init__(self, lists: FrameLists, row: int, fps: float = FPS) -> None:
        self.name = lists.videos.path(row)
        if not lists.num_frames(row):
            raise VideoError(self.name, "missing", f"{lists.videos.source} lists no frame of it")
        self._reader = ListedReader(self.name, lists.root, lists.listed(row), fps)


@dataclass(frozen=True)
class FrameVideos:
    """Opens the videos of frame lists, by the row that a record has there."""

    lists: FrameLists
    fps: float = FPS

    def __call__(self, record: Record | Keyframe) -> FrameVideo:
        if record.row < 0:
            raise VideoError(record.path, "missing", f"{self.lists.videos.source} lists no frame of it")
        return FrameVideo(self.lists, record.row, self.fps)
