"""Shows decoded frames to the clips that want them."""

from __future__ import annotations

from collections.abc import Sequence

from av.video.frame import VideoFrame

from videonet.data.decoders.clips import Clips, Request
from videonet.data.decoders.screen import Screen
from videonet.data.window import Window


class Projector:
    """One screen for each window that the clips ask for.

    Frames are shown some at a time: decoding and converting each find their code and tables in the caches of the CPU.
    """

    AT_ONCE = 8

    def __init__(self, clips: Clips, requests: Sequence[Request], shape: tuple[int, int]) -> None:
        self.clips = clips
        self._screens: dict[Window | None, Screen] = {}
        self._waiting: list[tuple[int, VideoFrame]] = []
        for _, window in requests:
            if window not in self._screens:
                self._screens[window] = Screen(window, shape)

    def show(self, index: int, frame: VideoFrame) -> None:
        """Put a frame into every clip that asked for its index, soon."""
        self._waiting.append((index, frame))
        if len(self._waiting) == self.AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Put into the clips what waits."""
        waiting, self._waiting = self._waiting, []
        for index, frame in waiting:
            for window in self.clips.windows(index):
                self.clips.put(index, window, self._screens[window].show(frame))

    def recall(self, frames: Sequence[int]) -> None:
        """Take frames back, as if they had not come."""
        self._waiting = []
        self.clips.recall(frames)
