"""Timing: how long a network and its parts take, and how much memory, on the device where it is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def medians(works: Mapping[str, Callable[[], object]], device: torch.device, repeats: int = 5) -> dict[str, float]:
    """Median seconds of each work. They take turns, so that what else the machine does meets all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            synchronize(device)
            begin = time.perf_counter()
            work()
            synchronize(device)
            if turn:  # the first one warms up
                times[name].append(time.perf_counter() - begin)
    return {name: median(values) for name, values in times.items()}


@torch.no_grad()
def module_times(
    model: nn.Module, inputs: Sequence[Tensor], names: Sequence[str], repeats: int = 3
) -> dict[str, float]:
    """Median seconds that each of the named modules takes of a forward pass, all its calls together."""
    modules = {model.get_submodule(name): name for name in names}
    device, begins, passes = inputs[0].device, {}, []

    def begin(module: nn.Module, args: tuple) -> None:
        synchronize(device)
        begins[module] = time.perf_counter()

    def end(module: nn.Module, args: tuple, value: object) -> None:
        synchronize(device)
        passes[-1][modules[module]] += time.perf_counter() - begins[module]

    hooks = [hook for m in modules for hook in (m.register_forward_pre_hook(begin), m.register_forward_hook(end))]
    try:
        for _ in range(repeats + 1):
            passes.append(dict.fromkeys(modules.values(), 0.0))
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: median(times[name] for times in passes[1:]) for name in modules.values()}


def leaves(model: nn.Module) -> list[str]:
    """The modules that hold no other ones."""
    return [name for name, module in model.named_modules() if name and not any(module.children())]


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], int | None]]:
    """A function that says the most bytes in use since: of a GPU what tensors take, else what the process takes.

    Of a process it is looked at every few milliseconds; None on systems that do not tell.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield lambda: torch.cuda.max_memory_allocated(device)
        return
    seen, over = [_resident()], threading.Event()

    def look() -> None:
        while not over.wait(0.003):
            seen[0] = max(seen[0], _resident())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield lambda: max(seen[0], _resident()) or None
    finally:
        over.set()
        watcher.join()


def _resident() -> int:
    """Bytes of this process in memory, 0 where the system does not tell."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.is_file() else 0


def largest(fits: Callable[[int], bool], limit: int = 1 << 16) -> int:
    """The largest number up to `limit` that fits, 0 if not even 1 does; what is larger than one that fails, fails."""
    low, high = 0, 1
    while high <= limit and fits(high):
        low, high = high, high * 2
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
