"""What is wrong with a video, in a form that lists of bad files can be made of."""

from __future__ import annotations


class VideoError(ValueError):
    """A video that cannot be read: which one, a short kind of reason, and what the decoder said.

    `reason` is one of "missing", "empty", "unreadable", "no video stream", "no frames", "decode error at frame K".
    Survives pickling, and being built from its message alone, as the workers of a torch DataLoader do.
    """

    def __init__(self, path: str, reason: str = "", detail: str = "") -> None:
        super().__init__(path, reason, detail)
        self.path, self.reason, self.detail = path, reason, detail

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.reason, self.detail) if part)
