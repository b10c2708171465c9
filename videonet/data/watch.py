"""A watch on loader workers: what each one is reading, so that a hang or a death is blamed on a file."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence

import torch
from torch.utils.data import Dataset, get_worker_info


class StuckWorker(RuntimeError):
    """A worker gave no batch in time, or died; the message names the worker and the file."""


class Watched(Dataset):
    """A dataset whose items are noted while they are read, in memory that the processes share.

    A ValueError, the user's mistake, comes back as the item, to be raised as it is in the main process.
    """

    def __init__(self, dataset: Dataset, workers: int) -> None:
        self.dataset = dataset
        self.busy = torch.zeros(max(workers, 1), 3, dtype=torch.float64).share_memory_()  # row + 1, since, process id

    def __getitems__(self, keys: Sequence) -> list:
        """The items of a batch."""
        worker = get_worker_info()
        note = self.busy[worker.id if worker else 0]
        items = []
        for key in keys:
            note[:] = torch.tensor([getattr(key, "index", key) + 1, time.time(), os.getpid()], dtype=torch.float64)
            try:
                items.append(self.dataset[key])
            except ValueError as error:
                plain = ValueError(str(error))
                plain.__notes__ = [traceback.format_exc()]
                items.append(plain)
            note[0] = 0
        return items

    def reading(self) -> list[tuple[int, int, int, float]]:
        """(worker, process id, row, seconds so far) of the items being read now, the longest first."""
        now = time.time()
        notes = [(worker, int(pid), int(row) - 1, now - since) for worker, (row, since, pid) in enumerate(self.busy)]
        return sorted((note for note in notes if note[2] >= 0), key=lambda note: -note[3])


def show_stack_on_signal(worker: int) -> None:
    """Let a worker print its stack when asked by SIGUSR1, where the system has it and a file to print to.

    sys.stderr may be a notebook's, which is no file.
    """
    if hasattr(signal, "SIGUSR1") and sys.__stderr__ is not None:
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)


def name_the_culprit(error: RuntimeError, watched: Watched, waited: float) -> RuntimeError:
    """The error of a loader with worker and file where it is about a worker; a stuck one prints its stack first."""
    text = str(error)
    stuck, dead = "timed out" in text, "exited unexpectedly" in text
    if not stuck and not dead:
        return error
    suspects = []
    for worker, pid, row, seconds in watched.reading():
        if stuck and seconds < waited / 2:
            continue
        if stuck and hasattr(signal, "SIGUSR1"):
            os.kill(pid, signal.SIGUSR1)
        records = getattr(watched.dataset, "records", None)
        path = records[row].path if records is not None else "its file"
        suspects.append(f"worker {worker} (process {pid}) has been reading row {row}, {path}, for {seconds:.0f} s")
    if stuck:
        time.sleep(0.5)  # for the stacks to be written
    what = f"no batch for {waited:.0f} s" if stuck else "a loader worker died (out of memory, or a crash in a decoder)"
    return StuckWorker(f"{what}: {'; '.join(suspects) or 'no item was being read'}")
