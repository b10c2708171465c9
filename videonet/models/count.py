"""Parameters and multiply-adds of a network, whole and per stage, without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from videonet.models.heads import Roi

ATTENTION = ("bmm", "baddbmm", "_scaled_dot_product", "_flash_attention", "_efficient_attention")


@dataclass(frozen=True)
class Macs:
    """Multiply-adds of one item (1 multiply-add = 1; papers call them FLOPs).

    total: of all convolutions and linear layers, as papers and torchvision state them.
    matmul: of products of maps with maps (attention, non-local blocks), which `total` leaves out.
    stages: `total` of each part: stem, res2 .. res5, end, head; "slow.res2" and the like where there are pathways.
    """

    total: int
    matmul: int
    stages: dict[str, int]


def count_params(model: nn.Module) -> int:
    """Values that training changes; buffers are not among them."""
    return sum(p.numel() for p in model.parameters())


def takes_boxes(model: nn.Module) -> bool:
    """Whether it is a detection network, whose second input are boxes."""
    return isinstance(getattr(model, "head", None), Roi)


def count_macs(model: nn.Module, input_size: Sequence[int]) -> Macs:
    """Multiply-adds of one item of `input_size`: (3, H, W), or (3, T, H, W) for a clip; with one box in detection.

    The model runs on the meta device, so nothing is computed and its weights, statistics and mode stay as they are.
    """
    modes = {module: module.training for module in model.modules()}
    tensors = {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
    shapes = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    inputs = [torch.empty(1, *input_size, device="meta")]
    if takes_boxes(model):
        inputs.append(torch.empty(1, 5, device="meta"))
    counter = FlopCounterMode(display=False)
    model.eval()
    try:
        with torch.no_grad(), counter, _Unnormalised():
            functional_call(model, shapes, tuple(inputs))
    finally:
        for module, training in modes.items():
            module.training = training
    counts = counter.get_flop_counts()
    total, matmul = split(counts["Global"])
    named = {f"{type(model).__name__}.{name}": name for name in stage_names(model)}
    stages = {short(name): split(counts[path])[0] for path, name in named.items() if path in counts}
    return Macs(total, matmul, stages)


class _Unnormalised(TorchFunctionMode):
    """Norms, which have no multiply-adds, do nothing: on the meta device they take more time than all else."""

    NORMS = (F.batch_norm, F.group_norm, F.layer_norm)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return args[0] if func in self.NORMS else func(*args, **(kwargs or {}))


def split(counts: dict) -> tuple[int, int]:
    """(convolutions and linear layers, products of maps) in multiply-adds, from operations (2 a multiply-add)."""
    attention = sum(n for op, n in counts.items() if str(op).removeprefix("aten.").startswith(ATTENTION))
    return (sum(counts.values()) - attention) // 2, attention // 2


def stage_names(model: nn.Module) -> list[str]:
    """The parts that `Macs.stages` lists, in the order of the modules; a pathway is listed by its stages."""
    names = []
    for name, module in model.named_children():
        if name in ("backbone", "slow", "fast") or isinstance(module, nn.ModuleList):
            names += [f"{name}.{inner}" for inner in stage_names(module)]
        else:
            names.append(name)
    return names


def short(name: str) -> str:
    """A part's name without the backbone's."""
    return name.removeprefix("backbone.")
