"""A model over several processes: gradients averaged by DistributedDataParallel, norms synchronised or averaged."""

from __future__ import annotations

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
    return DistributedDataParallel(
        model,
        device_ids=[device.index] if device.type == "cuda" else None,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )


def quiet(network: nn.Module, silent: bool) -> AbstractContextManager:
    """The context of a backward pass; a `silent` one (all parts of a batch but the last) sends no gradients."""
    return network.no_sync() if silent and isinstance(network, DistributedDataParallel) else nullcontext()


def synchronize_norms(model: nn.Module) -> nn.Module:
    """Batch norms that take their statistics over all processes (torch's SyncBatchNorm, on GPUs); the keys stay."""
    if distributed.world_size() == 1:
        return model
    if next(model.parameters()).device.type == "cpu":
        raise ValueError(
            "synchronised batch norm needs GPUs (torch has it for no CPU): freeze them, or use one process"
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


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
