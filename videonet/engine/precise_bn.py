"""Precise batch norm (Wu & Johnson 2021, "Rethinking Batch in BatchNorm", section 3): population statistics.

fvcore's update_bn_stats does the same on one process; this one counts the rows of all processes and keeps its sums in
float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

import torch
from torch import Tensor, nn

from videonet import distributed
from videonet.engine.loop import Prepare
from videonet.engine.optim import train_mode
from videonet.engine.precision import autocast

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class _Sums:
    """Rows, sum and sum of squares of what enters one layer."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer
        device = layer.running_mean.device
        device = "cpu" if device.type == "mps" else device  # which has no float64
        self.values = torch.zeros(1 + 2 * layer.num_features, dtype=torch.float64, device=device)

    def add(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows = inputs[0].transpose(0, 1).flatten(1).float()
        variance, mean = torch.var_mean(rows, dim=1, correction=0)
        count, mean, variance = rows.shape[1], mean.to(self.values), variance.to(self.values)
        self.values += torch.cat([mean.new_tensor([count]), count * mean, count * (variance + mean**2)])

    def write(self, values: Tensor) -> None:
        mean, squares = (values[1:] / values[0]).chunk(2)
        self.layer.running_mean.copy_(mean)
        self.layer.running_var.copy_(squares - mean**2)


@torch.no_grad()
def update_statistics(
    model: nn.Module, batches: Iterable[Mapping], *, prepare: Prepare, count: int = 200, precision: str = "fp32"
) -> int:
    """Give every batch norm that trains the mean and variance of `count` training batches under the present weights.

    Frozen norms keep theirs. Every process takes its own share of the batches and ends with the same statistics.

    Returns:
        The number of norms that were updated.

    Raises:
        ValueError: no batch came.
    """
    modes = [(module, module.training) for module in model.modules()]
    train_mode(model)
    sums = [_Sums(m) for m in model.modules() if isinstance(m, NORMS) and m.training and m.running_mean is not None]
    if sums:
        hooks = [one.layer.register_forward_pre_hook(one.add) for one in sums]
        try:
            for batch in islice(batches, count):
                inputs, target = prepare(batch)
                with autocast(precision, target.device):
                    model(*inputs)
        finally:
            for hook in hooks:
                hook.remove()
        everywhere = distributed.total(torch.cat([one.values for one in sums]))
        for one, values in zip(sums, everywhere.split([len(one.values) for one in sums])):
            if values[0] == 0:
                raise ValueError("precise batch norm got no batch: the training list is shorter than one batch")
            one.write(values)
    for module, mode in modes:
        module.training = mode
    return len(sums)
