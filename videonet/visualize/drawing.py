"""Drawing on frames: heat over a picture, boxes and words. Frames are uint8 RGB (H, W, 3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

COLOURS = ((255, 196, 0), (0, 200, 255), (120, 255, 90), (255, 110, 180), (170, 140, 255), (255, 130, 60))


@cache
def _palette() -> np.ndarray:
    from matplotlib import colormaps

    return (255 * colormaps["turbo"](np.arange(256))[:, :3]).astype(np.float32)


def draw_heat(frame: np.ndarray, heat: torch.Tensor, strength: float = 0.6) -> np.ndarray:
    """The frame with a heat map (h, w) of 0..1 over it; where the heat is 0 the frame stays as it is."""
    size = frame.shape[:2]
    smooth = F.interpolate(heat[None, None].float(), size, mode="bilinear", align_corners=False)[0, 0]
    values = smooth.clamp(0, 1).numpy()
    colours = _palette()[(255 * values).round().astype(np.uint8)]
    share = strength * values[..., None]
    return ((1 - share) * frame + share * colours).round().astype(np.uint8)


def draw_text(frame: np.ndarray, text: str) -> np.ndarray:
    """The frame with a line of text in its upper left corner."""
    return draw_boxes(frame, np.zeros((1, 4)), [text], outline=False)


def draw_boxes(
    frame: np.ndarray, boxes: np.ndarray, texts: Sequence[str], numbers: Sequence[int] = (), outline: bool = True
) -> np.ndarray:
    """The frame with boxes (n, 4) x1, y1, x2, y2 in pixels and lines of text in each; `numbers` choose the colours."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image, "RGBA")
    line = max(2, round(min(frame.shape[:2]) / 240))
    font = ImageFont.load_default(size=max(10, round(min(frame.shape[:2]) / 28)))
    for place, (box, text) in enumerate(zip(np.asarray(boxes).tolist(), texts)):
        colour = COLOURS[(numbers[place] if len(numbers) else place) % len(COLOURS)]
        if outline:
            draw.rectangle(box, outline=colour, width=line)
        corner = (box[0] + line, box[1] + line)
        if text:
            draw.rectangle(draw.multiline_textbbox(corner, text, font=font), fill=(0, 0, 0, 150))
            draw.multiline_text(corner, text, font=font, fill=colour)
    return np.asarray(image)
