"""Time and memory of a run: seconds a step, the share of it spent waiting for data, resident memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Measures the steps between two laps."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin a lap: what came before (an evaluation, a checkpoint) does not count."""
        self._start = perf_counter()
        self._waited = 0.0
        self._steps = 0
        self._clips = 0

    def waits(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches; the time that each takes to come is measured."""
        iterator = iter(batches)
        while True:
            start = perf_counter()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._waited += perf_counter() - start
            yield batch

    def count(self, clips: int) -> None:
        """One more step, of so many clips on this process."""
        self._steps += 1
        self._clips += clips

    def lap(self, processes: int = 1) -> dict[str, float]:
        """dt (seconds a step), data_wait (share of it, 0..1), clips_per_s (of all processes); begins a new lap."""
        passed = max(perf_counter() - self._start, 1e-9)
        figures = {
            "dt": passed / max(self._steps, 1),
            "data_wait": min(self._waited / passed, 1.0),
            "clips_per_s": processes * self._clips / passed,
        }
        self.restart()
        return figures


def resident_mb() -> float | None:
    """Resident memory of this process in MB (its peak, on systems that tell no more; None where nothing tells)."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
