"""Means of figures that stay on the device until somebody reads them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from videonet import distributed


class Mean:
    """The mean of each figure over the steps since it was last read, and over the processes."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, figures: Mapping[str, Tensor]) -> None:
        """The scalars of one step; every step has the same ones."""
        for name, value in figures.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1

    def read(self) -> dict[str, float]:
        """The means, on every process; waits for the device. Every process must call it."""
        names = list(self._sums)
        values = distributed.mean(torch.stack([self._sums[name].float() for name in names]) / self._count).tolist()
        self._sums, self._count = {}, 0
        return dict(zip(names, values))
