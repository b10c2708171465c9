"""Shows decoded frames to the clips that want them."""

from __future__ import annotations

from collections.abc import Sequence

from av.video.frame import VideoFrame

from videonet.data.decoders.clips import Clips, Request
from videonet.data.decoders.screen import Screen
from videonet.data.window import Window


class Projector:
    """One screen for each window that the clips ask for."""

    def __init__(self, clips: Clips, requests: Sequence[Request], shape: tuple[int, int]) -> None:
        self.clips = clips
        self._screens: dict[Window | None, Screen] = {}
        for _, window in requests:
            if window not in self._screens:
                self._screens[window] = Screen(window, shape)

    def show(self, index: int, frame: VideoFrame) -> None:
        """Put a frame into every clip that asked for its index."""
        for window in self.clips.windows(index):
            self.clips.put(index, window, self._screens[window].show(frame))
