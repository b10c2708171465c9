"""Loaders: workers that read the rows of a batch, and an account of what could not be read.

A training batch is a function of (seed, step), so a run starts at any step without replaying what came before. An
evaluation shows every row exactly once at any number of processes, without padding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from videonet.data.clips import ClipShape, Draw, Missing
from videonet.data.order import Order, shard
from videonet.data.watch import Watched, name_the_culprit, show_stack_on_signal

POLL = 5  # seconds between two looks at whether the workers live
MIN_BAD = 5  # fewer bad files than this never stop a run, unless max_bad is 0


class TooManyBad(ValueError):
    """More videos than allowed could not be read; the message has the first root causes."""


def collate(items: Sequence[dict]) -> dict:
    """A batch of items: tensors stacked, numbers as tensors, `box*` rows joined and `boxes` led by the index.

    A worker stacks in memory that it shares with the main process.
    """
    batch = {}
    for key in items[0] if items else ():
        values = [item[key] for item in items]
        if key == "boxes":
            values = [torch.nn.functional.pad(boxes, (1, 0), value=number) for number, boxes in enumerate(values)]
        if key.startswith("box"):
            batch[key] = torch.cat(values)
        else:
            batch[key] = default_collate([torch.as_tensor(value) for value in values])
    return batch


class _Collate:
    """Items -> (batch, skipped, damaged, missing, rows), in the worker; an item that is a list is one row."""

    def __init__(self, batch_of: Callable[[Sequence[dict]], dict]) -> None:
        self.batch_of = batch_of

    def __call__(self, items: Sequence) -> tuple[dict, list, list, list, int] | Exception:
        for item in items:
            if isinstance(item, Exception):
                return item
        flat = [one for item in items for one in (item if isinstance(item, list) else [item])]
        skipped = [bad for item in flat for bad in item.pop("skipped", ())]
        damaged = [bad for bad in (item.pop("damaged", None) for item in flat) if bad]
        missing = [item["missing"] for item in flat if "missing" in item]
        batch = self.batch_of([item for item in flat if "missing" not in item])
        return batch, skipped, damaged, missing, len(items)


class _TrainSteps:
    """Keys of one training batch after another from `start` to `stop`, for the DataLoader of torch."""

    def __init__(self, order: Order, shape: Callable[[int], ClipShape] | None) -> None:
        self.order, self.shape = order, shape
        self.start, self.stop = 0, None

    def __iter__(self) -> Iterator[list[Draw]]:
        step = self.start
        while self.stop is None or step < self.stop:
            epoch, rows = self.order.rows(step)
            shape = self.shape(step) if self.shape else None
            yield [Draw(epoch, int(row), shape) for row in rows]
            step += 1


class _EvalSteps:
    """Keys of the batches of some rows, in order."""

    def __init__(self, rows: range, batch_size: int) -> None:
        self.rows, self.batch_size = rows, batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        for start in range(0, len(self.rows), self.batch_size):
            yield [Draw(0, row) for row in self.rows[start : start + self.batch_size]]


@dataclass(frozen=True)
class Workers:
    """How a loader reads: `count` processes (0: the calling one), each `prefetch` batches ahead.

    timeout: seconds without a batch after which worker and file are named; start: fork, forkserver or spawn (None: the
    default of the system); pin_memory: None pins where there is a GPU.
    """

    count: int = 0
    timeout: float = 600
    start: str | None = None
    prefetch: int = 2
    pin_memory: bool | None = None


class _Loader:
    """Workers that turn keys into batches, made once and kept.

    Nothing below may refer to the loader: in a cycle the pipes to the workers would be closed before they are told to
    end, and every exit would wait for them.
    """

    def __init__(self, dataset: Dataset, steps: _TrainSteps | _EvalSteps, workers: int | Workers) -> None:
        self.dataset, self._steps = dataset, steps
        self.workers = Workers(workers) if isinstance(workers, int) else workers
        self._watched = Watched(dataset, self.workers.count)
        several = self.workers.count > 0
        pin = torch.cuda.is_available() if self.workers.pin_memory is None else self.workers.pin_memory
        self._loader = DataLoader(
            self._watched,
            batch_sampler=steps,
            collate_fn=_Collate(getattr(dataset, "collate", collate)),
            num_workers=self.workers.count,
            timeout=min(self.workers.timeout, POLL) if several else 0,
            multiprocessing_context=self.workers.start if several else None,
            persistent_workers=several,
            prefetch_factor=self.workers.prefetch if several else None,
            pin_memory=pin,
            worker_init_fn=show_stack_on_signal,
            generator=torch.Generator().manual_seed(0),  # the global one is part of a run's state
        )

    def _batches(self) -> Iterator[tuple[dict, list, list, list, int]]:
        iterator, waiting_since = iter(self._loader), time.monotonic()
        while True:
            try:
                result = next(iterator, None)
            except RuntimeError as error:
                waited = time.monotonic() - waiting_since
                if "timed out" in str(error) and waited < self.workers.timeout:
                    continue
                raise name_the_culprit(error, self._watched, waited) from error
            if result is None:
                return
            if isinstance(result, Exception):
                raise result
            yield result
            waiting_since = time.monotonic()


class TrainLoader(_Loader):
    """Training batches from any step on: `for batch in loader.batches(start_step)`.

    batch_size is the global one (rows; a dataset with repeats gives that many clips of each), an int or a function of
    the step; shape gives the clip shape of a step where it varies. Videos that cannot be read are replaced by the
    dataset and listed, once each, in `skipped` as (path, reason). TooManyBad is raised when they are more than
    `max_bad` of the rows seen and at least MIN_BAD, or with max_bad 0 at the first one.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | Callable[[int], int],
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        max_bad: float = 0.01,
        shape: Callable[[int], ClipShape] | None = None,
        workers: int | Workers = 0,
    ) -> None:
        self.order = Order(len(dataset), batch_size, seed=seed, rank=rank, world_size=world_size)
        self.max_bad, self.seen = max_bad, 0
        self.skipped: list[tuple[str, str]] = []
        super().__init__(dataset, _TrainSteps(self.order, shape), workers)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the first epoch; of every epoch where the batch size is an int."""
        return self.order.first_step(1)

    def batches(self, start_step: int = 0, stop_step: int | None = None) -> Iterator[dict]:
        """The batches of this process from `start_step` on, without end or up to `stop_step`."""
        self._steps.start, self._steps.stop = start_step, stop_step
        for batch, skipped, _, _, count in self._batches():
            self.seen += count + len(skipped)
            for bad in skipped:
                if all(bad.path != path for path, _ in self.skipped):
                    self.skipped.append((bad.path, bad.reason))
            if skipped:
                self._check_bad()
            yield batch

    def _check_bad(self) -> None:
        bad, seen = len(self.skipped), min(self.seen, self.order.length)  # of a second look nothing new is learned
        if bad > self.max_bad * seen and (bad >= MIN_BAD or self.max_bad == 0):
            causes = "; ".join(f"{path}: {reason}" for path, reason in self.skipped[:MIN_BAD])
            raise TooManyBad(
                f"{bad} of {seen} videos could not be read, more than DATA.MAX_BAD {self.max_bad:g} allows; "
                f"`videonet data check` lists all, the first: {causes}"
            )


class EvalLoader(_Loader):
    """Every row once: `for batch in loader.batches()` gives this process its share, in order, without padding.

    Rows that cannot be read are in no batch but in `missing` (index, path, reason), those with repeated frames in
    `damaged`; both start empty with each round of batches. batch_size is that of this process.
    """

    def __init__(
        self, dataset: Dataset, batch_size: int, *, rank: int = 0, world_size: int = 1, workers: int | Workers = 0
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"the batch size must be at least 1, got {batch_size}")
        self.missing: list[Missing] = []
        self.damaged: list[Missing] = []
        super().__init__(dataset, _EvalSteps(shard(len(dataset), rank, world_size), batch_size), workers)

    def __len__(self) -> int:
        return len(self._steps)

    def batches(self) -> Iterator[dict]:
        """The batches of this process; one that lost all its rows is left out."""
        self.missing, self.damaged = [], []
        for batch, _, damaged, missing, count in self._batches():
            self.damaged += damaged
            self.missing += missing
            if count > len(missing):
                yield batch
