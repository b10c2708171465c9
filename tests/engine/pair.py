"""What two processes do in tests/engine/test_pair.py; each returns what its rank found."""

import os
import signal
from pathlib import Path

import torch
from torch import nn

from tests.engine import runs
from videonet import distributed
from videonet.engine import optim, parallel
from videonet.engine.checkpoint import CheckpointError, Checkpoints
from videonet.engine.loop import gradients
from videonet.engine.precise_bn import update_statistics
from videonet.engine.precision import grad_scaler
from videonet.engine.task import ActionDetection
from videonet.layers.norm import convert_norms


class BoxModel(nn.Module):
    """Logits (boxes, 3) of clips (B, 8) and boxes (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(12, 3)

    def forward(self, clip: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.cat([clip[boxes[:, 0].long()], boxes[:, 1:]], dim=1))


def boxes_of(clips: range) -> dict:
    """A batch of some of six clips, that have 3, 0, 1, 0, 0 and 1 boxes."""
    generator = torch.Generator().manual_seed(0)
    clip, boxes = torch.rand(6, 8, generator=generator), torch.rand(5, 4, generator=generator)
    label = (torch.rand(5, 3, generator=generator) > 0.5).float()
    owner = torch.tensor([0, 0, 0, 2, 5])
    mine = (owner >= clips.start) & (owner < clips.stop)
    rows = torch.cat([(owner[mine] - clips.start).float()[:, None], boxes[mine]], dim=1)
    return {"clip": clip[clips.start : clips.stop], "boxes": rows, "box_label": label[mine]}


def prepare_boxes(batch: dict) -> tuple:
    """What BoxModel takes, and the labels."""
    return (batch["clip"], batch["boxes"]), batch["box_label"]


def share(batch: dict) -> dict:
    """This process's half, or third, of a batch."""
    size = len(batch["label"]) // distributed.world_size()
    start = distributed.rank() * size
    return {key: value[start : start + size] for key, value in batch.items()}


def shares(step: int):
    """This process's share of the batches from a step on."""
    return map(share, runs.batches_from(step))


def frozen_network() -> nn.Module:
    """A net without dropout whose batch norm is frozen."""
    model = runs.network(dropout=0)
    optim.freeze(model, ["1"])
    return model


def training_network() -> nn.Module:
    """A net without dropout whose batch norm trains."""
    return runs.network(dropout=0)


def equal_to_one_with_sync(folder: Path) -> dict:
    """A run on shares with statistics over both processes: its final state."""
    model = training_network()
    convert_norms(model, "sync")
    state = runs.state_of(model)
    runs.run(state, folder / "sync", batches=shares(0), clip=optim.clipping(norm=0.5))
    return state.state_dict()


def equal_to_one(folder: Path) -> dict:
    """A run on shares: its final state, with clipping, a moving average and divided batches."""
    state = runs.state_of(frozen_network())
    runs.run(state, folder / "equal", batches=shares(0), accumulate=2, clip=optim.clipping(norm=0.5))
    return state.state_dict()


def boxes_equal_to_one(folder: Path) -> list[torch.Tensor]:
    """Gradients of a detection batch whose boxes fall unevenly."""
    model = BoxModel()
    mine = boxes_of(range(0, 3) if distributed.rank() == 0 else range(3, 6))
    network = parallel.wrap(model)
    gradients(network, mine, ActionDetection(), grad_scaler("fp32", torch.device("cpu")), prepare_boxes, "fp32", 2)
    return [weight.grad for weight in model.parameters()]


def resumed(folder: Path) -> dict:
    """Dropout and batch norm that trains: an uninterrupted run, and one cut after step 6."""
    whole = runs.state_of(runs.network())
    runs.run(whole, folder / "whole", batches=shares(0))
    runs.run(runs.state_of(runs.network()), folder / "cut", steps=6, batches=shares(0))
    rest = runs.state_of(runs.network())
    Checkpoints(folder / "cut" / "checkpoints").resume(rest)
    start = rest.step
    runs.run(rest, folder / "cut", batches=shares(6))
    return {"start": start, "whole": whole.model.state_dict(), "rest": rest.model.state_dict()}


def stopped(folder: Path) -> dict:
    """A run in which only the second process is told to stop."""

    def batches():
        for step, batch in enumerate(shares(0)):
            if step == 3 and distributed.rank() == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    state = runs.state_of(runs.network())
    finished = runs.run(state, folder / "stopped", batches=batches())
    return {"finished": finished, "step": state.step}


def failed(folder: Path) -> str:
    """What each process says where the main one cannot write."""
    (folder / "taken").write_text("a file where a folder should be")
    try:
        Checkpoints(folder / "taken" / "checkpoints").save(runs.state_of(runs.network()))
    except CheckpointError as error:
        return str(error)
    return ""


def statistics(folder: Path) -> dict:
    """Precise statistics from shares of different sizes."""
    model = runs.network()
    batches = [runs.batch_of(step) for step in range(4)]
    cut = 3 if distributed.rank() == 0 else 8
    mine = [{k: v[:cut] if distributed.rank() == 0 else v[3:cut] for k, v in batch.items()} for batch in batches]
    update_statistics(model, mine, prepare=runs.prepare, count=4)
    return model.state_dict()


def evaluated(folder: Path) -> list[torch.Tensor]:
    """The statistics of the norm that an evaluation sees, of the weights and of their moving average."""
    seen = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append(model[1].running_var.clone())
        return {}

    for ema in (True, False):
        runs.run(runs.state_of(runs.network(), ema=ema), None, batches=shares(0), evaluate=evaluate)
    return seen


def silent(folder: Path) -> list[bool]:
    """Whether a backward pass sends gradients: in a silent context, in the last one."""
    network = parallel.wrap(runs.network())
    sends = []
    for quiet in (True, False):
        with parallel.quiet(network, silent=quiet):
            sends.append(network.require_backward_grad_sync)
    return sends


def everything(folder: Path) -> dict:
    """All of the above, in one start of the processes."""
    parts = (
        equal_to_one,
        equal_to_one_with_sync,
        boxes_equal_to_one,
        resumed,
        stopped,
        failed,
        statistics,
        evaluated,
        silent,
    )
    return {part.__name__: part(folder) for part in parts}
