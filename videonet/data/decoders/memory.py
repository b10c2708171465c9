"""Memory for clips: large tensors in huge pages, whose first use costs a tenth of that of ordinary ones."""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Sequence

import numpy as np
import torch

HUGE = 2 << 20  # bytes of a huge page
LEAST = 32 << 20  # bytes: below it the allocator reuses what was freed, which costs less still


def empty(shape: Sequence[int]) -> torch.Tensor:
    """An uninitialised uint8 tensor, in huge pages where it is large and the system has them (Linux)."""
    size = math.prod(shape)
    if size < LEAST or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(tuple(shape), dtype=torch.uint8)
    region = mmap.mmap(-1, size + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without them: the region has ordinary pages
        region.madvise(mmap.MADV_HUGEPAGE)
    data = np.frombuffer(region, np.uint8)
    start = -data.ctypes.data % HUGE
    return torch.from_numpy(data[start : start + size].reshape(shape))
