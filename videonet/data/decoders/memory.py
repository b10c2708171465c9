"""Memory for clips: large tensors in huge pages, whose first use costs a tenth of that of ordinary ones, used again."""

from __future__ import annotations

import contextlib
import math
import mmap
import weakref
from collections.abc import Sequence

import numpy as np
import torch

HUGE = 2 << 20  # bytes of a huge page
LEAST = 32 << 20  # bytes: below it the allocator reuses what was freed, which costs less still

_spare: list[mmap.mmap] = []  # what the last large tensor lay in that nobody has any more


def empty(shape: Sequence[int]) -> torch.Tensor:
    """An uninitialised uint8 tensor, in huge pages where it is large and the system has them (Linux)."""
    size = math.prod(shape)
    if size < LEAST or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(tuple(shape), dtype=torch.uint8)
    region = _spare.pop() if _spare else None
    if region is None or len(region) < size + HUGE:
        region = _mapped(size + HUGE)
    data = np.frombuffer(region, np.uint8)
    weakref.finalize(data, _keep, region).atexit = False
    start = -data.ctypes.data % HUGE
    return torch.from_numpy(data[start : start + size].reshape(shape))


def _mapped(size: int) -> mmap.mmap:
    region = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without them: the region has ordinary pages
        region.madvise(mmap.MADV_HUGEPAGE)
    return region


def _keep(region: mmap.mmap) -> None:
    _spare[:] = [region]
