"""Programs: a network as a file that runs without its code (torch.export, ONNX), and how far it is from the network."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

INPUTS = ("clip", "boxes")
ONNX_NEEDS = "exporting to ONNX needs onnx, onnxscript and onnxruntime: pip install 'videonet[export]'"


def example(
    size: Sequence[int], *, batch: int = 2, people: int = 0, device: torch.device | str = "cpu"
) -> list[Tensor]:
    """Random inputs of a network: a clip (batch, 3, [T,] H, W), and with `people` > 0 that many boxes in each item."""
    generator = torch.Generator().manual_seed(batch)
    inputs = [torch.randn(batch, *size, generator=generator)]
    if people:
        height, width = size[-2:]
        corners = torch.rand(batch * people, 4, generator=generator) * torch.tensor([width, height] * 2) / 2
        corners[:, 2:] += corners[:, :2]
        items = torch.arange(batch).repeat_interleave(people)
        inputs.append(torch.cat([items[:, None], corners], 1))
    return [tensor.to(device) for tensor in inputs]


def save_torch(model: nn.Module, inputs: Sequence[Tensor], path: Path) -> None:
    """Write a .pt2 program of torch.export; it takes any number of items (and of boxes)."""
    torch.export.save(torch.export.export(model, tuple(inputs), dynamic_shapes=_sizes(inputs)), path)


def save_onnx(model: nn.Module, inputs: Sequence[Tensor], path: Path) -> None:
    """Write an ONNX program (inputs `clip`, `boxes`, output `logits`); it takes any number of items (and of boxes)."""
    _needs("onnx", "onnxscript", "onnxruntime")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            model,
            tuple(inputs),
            dynamo=True,
            dynamic_shapes=_sizes(inputs),
            input_names=list(INPUTS[: len(inputs)]),
            output_names=["logits"],
            external_data=False,
            verbose=False,
        )
    program.save(str(path))


def load_torch(path: Path) -> Callable[..., Tensor]:
    """What a .pt2 file computes."""
    return torch.export.load(path).module()


def load_onnx(path: Path) -> Callable[..., Tensor]:
    """What an ONNX file computes, in onnxruntime on the CPU."""
    _needs("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> Tensor:
        given = {name: tensor.cpu().numpy() for name, tensor in zip(INPUTS, inputs)}
        return torch.from_numpy(session.run(None, given)[0])

    return run


# format -> (write a program, load it, largest relative error that is none)
FORMATS = {"torch": (save_torch, load_torch, 1e-5), "onnx": (save_onnx, load_onnx, 1e-4)}


@torch.no_grad()
def relative_error(model: nn.Module, program: Callable[..., Tensor], inputs: Sequence[Tensor]) -> float:
    """Largest difference between program and model, as a share of the largest output; infinite for another shape."""
    wanted, found = model(*inputs).cpu(), program(*inputs).cpu()
    if wanted.shape != found.shape or not found.isfinite().all():
        return float("inf")
    return float((wanted - found).abs().max() / wanted.abs().max().clamp(min=1e-12))


def _sizes(inputs: Sequence[Tensor]) -> tuple[dict[int, torch.export.Dim], ...]:
    names = ("batch", "people")
    return tuple({0: torch.export.Dim(name)} for name, _ in zip(names, inputs))


def _needs(*packages: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} is not installed; {ONNX_NEEDS}")
