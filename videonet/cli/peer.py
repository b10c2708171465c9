"""The same network in pytorchvideo, to be measured beside ours where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from torch import Tensor, nn

# our name -> pytorchvideo's, in its hub
NAMES = {
    "c2d_8x8_r50": "c2d_r50",
    "i3d_8x8_r50": "i3d_r50",
    "slow_8x8_r50": "slow_r50",
    "slowfast_8x8_r50": "slowfast_r50",
    "slowfast_8x8_r101": "slowfast_r101",
    "slowfast_16x8_r101": "slowfast_16x8_r101_50_50",
    "ir_csn_101": "csn_r101",
    "r2plus1d_50": "r2plus1d_r50",
    "x3d_xs": "x3d_xs",
    "x3d_s": "x3d_s",
    "x3d_m": "x3d_m",
    "x3d_l": "x3d_l",
}


def peer_of(name: str) -> tuple[nn.Module, Callable[[Tensor], object]] | None:
    """pytorchvideo's network and what makes its input of a clip; None where it has none or is not installed."""
    if name not in NAMES or find_spec("pytorchvideo") is None:
        return None
    from pytorchvideo.models import hub

    model = getattr(hub, NAMES[name])(pretrained=False)
    if not name.startswith("slowfast"):
        return model, lambda clip: clip

    def packed(clip: Tensor) -> list[Tensor]:
        return [clip[:, :, ::4].contiguous(), clip]

    return model, packed
