"""Laws of the process group: where it comes from, and that one process is the identity."""

import socket
import time
from pathlib import Path

import pytest
import torch

from tests.engine import group
from videonet import distributed

KEYS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No launcher in the environment, and no trace of a test in it afterwards."""
    for key in (*KEYS, "SLURM_STEP_NUM_TASKS"):
        monkeypatch.setenv(key, "")
        monkeypatch.delenv(key)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_one_process_is_the_identity():
    thing, tensor = {"a": 1}, torch.tensor([1.0, 2.0])
    assert distributed.init() == "world=1 nodes=1 local=1 backend=none"
    assert (distributed.rank(), distributed.world_size(), distributed.local_rank()) == (0, 1, 0)
    assert distributed.is_main() and not distributed.is_initialized()
    assert distributed.gather(thing) == [thing]
    assert distributed.broadcast(thing) is thing
    assert torch.equal(distributed.mean(tensor), tensor) and torch.equal(distributed.total(tensor), tensor)
    distributed.barrier()
    distributed.shutdown()


def test_torchrun_with_one_process_is_one_process(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert distributed.init().startswith("world=1 ")
    assert not distributed.is_initialized()


def test_slurm_tasks_become_ranks(monkeypatch):
    values = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_PROCID": "3",
        "SLURM_LOCALID": "1",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        "SLURM_STEP_NODELIST": "gpu[07-08]",
        "SLURM_JOB_ID": "123456",
    }
    for key, value in values.items():
        monkeypatch.setenv(key, value)
    assert [distributed.environment()[key] for key in KEYS] == ["3", "4", "1", "2", "gpu07", "23456"]
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert distributed.environment()["WORLD_SIZE"] == "8", "torchrun inside srun is torchrun"


def test_a_slurm_batch_script_without_srun_is_one_process(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert distributed.environment() == {}


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu07", "gpu07"),
        ("gpu[07-09,12],login1", "gpu07"),
        ("a[3,5]-ib", "a3-ib"),
        ("node-1,node-2", "node-1"),
        ("r1n[001]", "r1n001"),
    ],
)
def test_first_host_of_a_node_list(nodes, first):
    assert distributed.first_host(nodes) == first


def test_a_master_that_does_not_answer_is_named(monkeypatch):
    port = free_port()
    for key, value in zip(KEYS, ("1", "2", "1", "2", "127.0.0.1", str(port))):
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(distributed, "RENDEZVOUS_SECONDS", 1)
    start = time.monotonic()
    with pytest.raises(ValueError, match=rf"rank 1 of 2 cannot meet the others at 127\.0\.0\.1:{port}") as caught:
        distributed.init()
    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)
    assert not distributed.is_initialized()


def test_the_wait_for_a_master_is_at_most_a_minute():
    assert distributed.RENDEZVOUS_SECONDS <= 60


def _work(rank: int, port: int, folder: Path) -> None:
    import os

    torch.set_num_threads(1)
    os.environ.update(zip(KEYS, (str(rank), "2", str(rank), "1", "127.0.0.1", str(port))))
    found = {
        "line": distributed.init(),
        "rank": distributed.rank(),
        "local_rank": distributed.local_rank(),
        "world": distributed.world_size(),
        "main": distributed.is_main(),
        "gather": distributed.gather(("rank", rank)),
        "broadcast": distributed.broadcast(f"from {rank}"),
        "total": distributed.total(torch.tensor([1.0, rank])).tolist(),
        "mean": distributed.mean(torch.tensor([1.0, rank])).tolist(),
    }
    distributed.barrier()
    distributed.shutdown()
    torch.save({**found, "after": distributed.world_size()}, folder / f"{rank}.pt")


def test_two_processes_of_torchrun_work_together(tmp_path):
    group.start(_work, 2, free_port(), tmp_path)
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt", weights_only=True) == {
            "line": "world=2 nodes=2 local=1 backend=gloo",
            "rank": rank,
            "local_rank": rank,
            "world": 2,
            "main": rank == 0,
            "gather": [("rank", 0), ("rank", 1)],
            "broadcast": "from 0",
            "total": [2.0, 1.0],
            "mean": [1.0, 0.5],
            "after": 1,
        }


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has a GPU")
def test_a_device_that_is_not_there_is_an_error():
    assert distributed.device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="'cuda' was asked for but"):
        distributed.device("cuda")
    with pytest.raises(ValueError, match="'tpu' is unknown: use auto, cpu, cuda or mps"):
        distributed.device("tpu")
