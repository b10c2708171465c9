"""Work on many files in several processes, of which any may be killed by a broken file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

Key = TypeVar("Key", bound=Hashable)
Argument = TypeVar("Argument")
Result = TypeVar("Result")
CRASHED = None  # the result of an argument whose process died


def in_processes(
    work: Callable[[Argument], Result], arguments: Mapping[Key, Argument], workers: int
) -> Iterator[tuple[Key, Result | None]]:
    """(key, work(argument)) in the order of completion; CRASHED for an argument that kills its process.

    `work` must not return None, and an exception of it is raised here.
    """
    left = dict(arguments)
    try:
        with ProcessPoolExecutor(max(workers, 1), initializer=_one_thread) as pool:
            jobs = {pool.submit(work, argument): key for key, argument in left.items()}
            for job in as_completed(jobs):
                result = job.result()
                del left[jobs[job]]
                yield jobs[job], result
    except BrokenProcessPool:  # one of those left did it: alone, it shows
        for key, argument in left.items():
            try:
                with ProcessPoolExecutor(1, initializer=_one_thread) as pool:
                    result = pool.submit(work, argument).result()
            except BrokenProcessPool:
                result = CRASHED
            yield key, result


def _one_thread() -> None:
    """One thread a process: more would compete for cores, and can hang in a fork of a process that used several."""
    torch.set_num_threads(1)
