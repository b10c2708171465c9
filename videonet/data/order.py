"""Which rows make a batch: for training a function of (seed, step), for evaluation a share of the list."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


class Order:
    """The rows of each training step: a new permutation of the list each epoch, whole batches only.

    length: rows of the list; batch_size: rows of a global batch, or a function of the step that says so. Each of
    `world_size` processes takes a part of equal size; the parts side by side are the global batch.
    """

    def __init__(
        self, length: int, batch_size: int | Callable[[int], int], *, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        self.length, self.batch_size = length, batch_size
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self._permutation: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))
        self._located = (0, 0, 0)
        self._size(0)

    def _size(self, step: int) -> int:
        size = self.batch_size if isinstance(self.batch_size, int) else int(self.batch_size(step))
        if size < 1 or size % self.world_size:
            raise ValueError(f"the batch of {size} must divide by the {self.world_size} processes")
        if size > self.length:
            raise ValueError(
                f"the training list has {self.length} rows, fewer than one batch of {size}; lower TRAIN.BATCH_SIZE"
            )
        return size

    def locate(self, step: int) -> tuple[int, int]:
        """(epoch, rows of that epoch that earlier steps used) of a step."""
        if isinstance(self.batch_size, int):
            per_epoch = self.length // self.batch_size
            return step // per_epoch, step % per_epoch * self.batch_size
        at, epoch, used = self._located if self._located[0] <= step else (0, 0, 0)
        while True:
            if used + self._size(at) > self.length:
                epoch, used = epoch + 1, 0
            if at == step:
                break
            used, at = used + self._size(at), at + 1
        self._located = (step, epoch, used)
        return epoch, used

    def first_step(self, epoch: int) -> int:
        """The first step of an epoch."""
        if isinstance(self.batch_size, int):
            return epoch * (self.length // self.batch_size)
        step = 0
        while self.locate(step)[0] < epoch:
            step += 1
        return step

    def rows(self, step: int) -> tuple[int, np.ndarray]:
        """(epoch, rows of this process) of a step."""
        epoch, used = self.locate(step)
        if self._permutation[0] != epoch:
            self._permutation = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.length)
        part = self._size(step) // self.world_size
        start = used + self.rank * part
        return epoch, self._permutation[1][start : start + part]


def shard(length: int, rank: int = 0, world_size: int = 1) -> range:
    """The rows that one process evaluates: every row belongs to exactly one process."""
    return range(rank, length, world_size)
