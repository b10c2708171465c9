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


def start(function: Callable, world: int, *arguments: object) -> None:
    """Run function(rank, *arguments) in `world` processes and wait for them."""
    several = "forkserver" in mp.get_all_start_methods()  # which imports torch once, not in every process
    if several:
        mp.get_context("forkserver").set_forkserver_preload(["torch._dynamo", "videonet.engine.loop"])
    mp.start_processes(function, arguments, nprocs=world, start_method="forkserver" if several else "spawn")


def run(function: Callable, world: int, folder: Path, *arguments: object) -> list:
    """function(folder, *arguments) of every rank; it returns what torch.load reads with weights_only."""
    start(_work, world, function, world, folder, arguments)
    return [torch.load(folder / f"{function.__name__}_{world}_{rank}.pt", weights_only=True) for rank in range(world)]
