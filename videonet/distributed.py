"""Processes that work together: rank, world size, gather, mean. With one process everything here is the identity."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")
RENDEZVOUS_SECONDS = 45


def is_initialized() -> bool:
    """True when this process works in a group of several."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Number of this process, 0 .. world_size() - 1."""
    return dist.get_rank() if is_initialized() else 0


def world_size() -> int:
    """How many processes work together."""
    return dist.get_world_size() if is_initialized() else 1


def local_rank() -> int:
    """Number of this process on its node: the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0) if is_initialized() else 0


def is_main() -> bool:
    """True in the one process that writes files and talks."""
    return rank() == 0


def device(name: str = "auto") -> torch.device:
    """The device of this process: its own GPU, else Apple's, else the CPU; or the one that `name` asks for.

    Raises:
        ValueError: the device that was asked for is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = name.split(":")[0]
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in present:
        raise ValueError(f"device {name!r} is unknown: use auto, cpu, cuda or mps")
    if not present[kind]:
        raise ValueError(f"device {name!r} was asked for but this machine or this torch has none: use auto or cpu")
    if name == "cuda":
        name = f"cuda:{local_rank()}"
    if kind == "cuda" and int(name.split(":")[1]) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ValueError(f"device {name} does not exist: the machine has {count} GPUs; start at most {count} processes")
    return torch.device(name)


def environment() -> dict[str, str]:
    """RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT as torchrun sets them or as Slurm's
    own variables imply them (`srun`, one task a process); empty for a process that runs alone."""
    given = os.environ
    if "RANK" in given and "WORLD_SIZE" in given:
        local = given.get("LOCAL_WORLD_SIZE", given["WORLD_SIZE"])
        return {
            "LOCAL_RANK": "0",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "29500",
            **given,
            "LOCAL_WORLD_SIZE": local,
        }
    if int(given.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return {
            "RANK": given["SLURM_PROCID"],
            "WORLD_SIZE": given["SLURM_STEP_NUM_TASKS"],
            "LOCAL_RANK": given["SLURM_LOCALID"],
            "LOCAL_WORLD_SIZE": re.match(r"\d+", given.get("SLURM_STEP_TASKS_PER_NODE", "1")).group(),
            "MASTER_ADDR": given.get("MASTER_ADDR") or first_host(given["SLURM_STEP_NODELIST"]),
            "MASTER_PORT": given.get("MASTER_PORT") or str(20000 + int(given.get("SLURM_JOB_ID", 0)) % 20000),
        }
    return {}


def first_host(nodes: str) -> str:
    """The first name of a Slurm node list: `gpu[07-09,12],login1` -> `gpu07`."""
    name, numbers, rest = re.match(r"([^\[,]+)(?:\[(\w+)[^\]]*\])?([^,]*)", nodes).groups()
    return f"{name}{numbers or ''}{rest}"


def init(*, timeout_minutes: float = 30.0) -> str:
    """Join the group that torchrun or Slurm started, if one did: NCCL (and gloo for the host) on GPUs, else gloo.

    Returns:
        The line to log: `world=4 nodes=2 local=2 backend=gloo`.

    Raises:
        ValueError: the meeting point does not answer within RENDEZVOUS_SECONDS (its address and port are named).
    """
    found = environment()
    if not found or int(found["WORLD_SIZE"]) == 1:
        return "world=1 nodes=1 local=1 backend=none"
    for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        os.environ[key] = found[key]
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(found["LOCAL_RANK"]) % torch.cuda.device_count())
    try:
        store, number, world = next(rendezvous("env://", timeout=timedelta(seconds=RENDEZVOUS_SECONDS)))
        store.set_timeout(timedelta(minutes=timeout_minutes))
        dist.init_process_group(
            backend, store=store, rank=number, world_size=world, timeout=timedelta(minutes=timeout_minutes)
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"rank {found['RANK']} of {found['WORLD_SIZE']} cannot meet the others at {found['MASTER_ADDR']}:"
            f"{found['MASTER_PORT']} (MASTER_ADDR, MASTER_PORT) within {RENDEZVOUS_SECONDS} s: {reason}"
        ) from error
    local = int(found["LOCAL_WORLD_SIZE"])
    return f"world={world} nodes={-(-world // local)} local={local} backend={'nccl' if 'nccl' in backend else 'gloo'}"


def gather(thing: T) -> list[T]:
    """The `thing` of every process (anything that pickles), in the order of the ranks, on every process."""
    if world_size() == 1:
        return [thing]
    things: list[T | None] = [None] * world_size()
    dist.all_gather_object(things, thing)
    return things


def broadcast(thing: T) -> T:
    """The main process's `thing` (anything that pickles), on every process."""
    if world_size() == 1:
        return thing
    things = [thing]
    dist.broadcast_object_list(things, src=0)
    return things[0]


def total(tensor: Tensor) -> Tensor:
    """The elementwise sum of one tensor over the processes (a new tensor)."""
    if world_size() == 1:
        return tensor
    tensor = tensor.clone()
    dist.all_reduce(tensor)
    return tensor


def mean(tensor: Tensor) -> Tensor:
    """The elementwise mean of one float tensor over the processes (a new tensor)."""
    return total(tensor) / world_size() if world_size() > 1 else tensor


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        dist.barrier()


def shutdown() -> None:
    """Leave the group."""
    if is_initialized():
        dist.destroy_process_group()
