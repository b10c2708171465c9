"""The clips that one decode fills: which frame goes where, each shown once per window however often it is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from videonet.data.decoders import memory
from videonet.data.decoders.error import VideoError
from videonet.data.window import Window

Request = tuple[np.ndarray, Window | None]
Place = tuple[int, int]


class Clips:
    """Preallocated uint8 (T, H, W, 3) tensors for several requests (frame indices, window), and what they still lack.

    `shape` is the (height, width) of the video as displayed, the size of a request without a window.
    """

    def __init__(self, requests: Sequence[Request], shape: tuple[int, int]) -> None:
        sizes = [(window.out_h, window.out_w) if window else shape for _, window in requests]
        self.tensors = [memory.empty((len(frames), *size, 3)) for (frames, _), size in zip(requests, sizes)]
        self._pixels = [tensor.numpy() for tensor in self.tensors]
        self._frames = [frames for frames, _ in requests]
        self._places: dict[int, dict[Window | None, list[Place]]] = defaultdict(lambda: defaultdict(list))
        for clip, (frames, window) in enumerate(requests):
            for place, frame in enumerate(frames.tolist()):
                self._places[frame][window].append((clip, place))
        self.lacking: set[int] = set(self._places)

    @property
    def frames(self) -> list[int]:
        """The different frames asked for, in order."""
        return sorted(self._places)

    def windows(self, frame: int) -> Sequence[Window | None]:
        """The windows that a frame is asked for in."""
        return tuple(self._places[frame])

    def put(self, frame: int, window: Window | None, pixels: np.ndarray) -> None:
        """Write the pixels (H, W, 3) of a frame in a window to every place that asked for it."""
        for clip, place in self._places[frame][window]:
            self._pixels[clip][place] = pixels
        self.lacking.discard(frame)

    def recall(self, frames: Iterable[int]) -> None:
        """Take frames back, as if they had not come."""
        self.lacking.update(frames)

    def repeat(self, name: str) -> int:
        """Fill the places of frames that never came from the nearest frame of their clip that did; how many places.

        Raises:
            VideoError: nothing of a clip came, for the video called `name`.
        """
        count = 0
        for pixels, frames in zip(self._pixels, self._frames):
            lacks = np.isin(frames, list(self.lacking))
            if not lacks.any():
                continue
            if lacks.all():
                raise VideoError(name, f"decode error at frame {frames[0]}", "no frame of the clip could be decoded")
            came = np.flatnonzero(~lacks)
            for place in np.flatnonzero(lacks):
                nearest = came[np.argmin(np.abs(frames[came] - frames[place]))]
                pixels[place] = pixels[nearest]
                count += 1
        return count
