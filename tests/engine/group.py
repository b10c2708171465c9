"""Runs a function in several gloo processes that meet at a file, and brings back what each returned."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from videonet import distributed


def _work(rank: int, function: Callable, world: int, folder: Path, arguments: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet_{function.__name__}_{world}",
        rank=rank,
        world_size=world,
        timeout=timedelta(seconds=60),
    )
    torch.save(function(folder, *arguments), folder / f"{function.__name__}_{world}_{rank}.pt")
    distributed.barrier()
    distributed.shutdown()


def run(function: Callable, world: int, folder: Path, *arguments: object) -> list:
    """function(folder, *arguments) of every rank; it returns what torch.load reads with weights_only."""
    mp.spawn(_work, (function, world, folder, arguments), nprocs=world)
    return [torch.load(folder / f"{function.__name__}_{world}_{rank}.pt", weights_only=True) for rank in range(world)]
