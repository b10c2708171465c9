"""The part of a frame that a clip shows, and the size it is shown at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A crop rectangle in displayed source pixels, and the size that it is scaled to.

    Rows y to y + h and columns x to x + w of the frame as a viewer sees it (rotation applied) become out_h x out_w
    pixels.
    """

    y: int
    x: int
    h: int
    w: int
    out_h: int
    out_w: int

    def __post_init__(self) -> None:
        if min(self.y, self.x) < 0 or min(self.h, self.w, self.out_h, self.out_w) < 1:
            raise ValueError(f"{self}: y and x must be at least 0, the sizes at least 1")

    def check(self, height: int, width: int) -> None:
        """Raise ValueError unless the rectangle lies inside a frame of height x width pixels."""
        if self.y + self.h > height or self.x + self.w > width:
            raise ValueError(
                f"{self} reaches outside the frame of {height} x {width} pixels; crop inside it and pad afterwards"
            )
