"""Number formats of the forward pass: fp32, or bf16 / fp16 by autocast (fp16 with a scaled loss)."""

from __future__ import annotations

import torch

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def _dtype(precision: str) -> torch.dtype | None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown: use {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context of a forward pass in this precision; weights and losses stay float32."""
    dtype = _dtype(precision)
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def grad_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """The loss scale that keeps fp16 gradients from vanishing; the identity in the other precisions."""
    return torch.amp.GradScaler(device.type, enabled=_dtype(precision) is torch.float16)
