"""A model over several processes: gradients averaged by DistributedDataParallel, statistics of the norms averaged."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from videonet import distributed


def wrap(model: nn.Module) -> nn.Module:
    """The module to call in training: the model itself in one process, else it under DistributedDataParallel.

    Every trainable parameter must take part in every step. Buffers go their own way on each process until
    `average_statistics`; the weights of the main process are given to all.
    """
    if distributed.world_size() == 1:
        return model
    device = next(model.parameters()).device
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # newer releases rename broadcast_buffers; older know no other
        return DistributedDataParallel(
            model,
            device_ids=[device.index] if device.type == "cuda" else None,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
        )


def quiet(network: nn.Module, silent: bool) -> AbstractContextManager:
    """The context of a backward pass; a `silent` one (all parts of a batch but the last) sends no gradients."""
    return network.no_sync() if silent and isinstance(network, DistributedDataParallel) else nullcontext()


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Make the running statistics of all norms equal on every process: their mean. One message for the whole model."""
    if distributed.world_size() == 1:
        return
    found = [
        value
        for module in model.modules()
        for value in (getattr(module, "running_mean", None), getattr(module, "running_var", None))
        if isinstance(value, torch.Tensor)
    ]
    if not found:
        return
    flat = distributed.mean(torch.cat([value.flatten() for value in found]))
    for value, mean in zip(found, flat.split([value.numel() for value in found])):
        value.copy_(mean.view_as(value))
