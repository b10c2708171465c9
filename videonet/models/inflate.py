"""Inflation: the weights of an image network in a network for clips (Carreira & Zisserman 2017, arXiv 1705.07750)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

WAYS = ("center", "mean")
PATHWAYS = ("slow.", "fast.")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Inflation:
    """What `inflate` did: keys of the model, and of the image weights.

    inflated: kernels that got a time axis. copied: what has none. skipped: what was left as it was although the image
    weights have its name, and why. missing: what the image weights have no name for. unused: image weights left over.
    """

    inflated: tuple[str, ...]
    copied: tuple[str, ...]
    skipped: dict[str, str]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        counts = (
            f"{len(self.inflated)} inflated, {len(self.copied)} copied, {len(self.skipped)} skipped, "
            f"{len(self.missing)} without image weights, {len(self.unused)} image weights unused"
        )
        reasons = [f"  skipped {key}: {reason}" for key, reason in self.skipped.items()]
        reasons += [f"  without image weights: {key}" for key in self.missing]
        reasons += [f"  unused: {key}" for key in self.unused]
        return "\n".join([counts, *reasons])


def inflate(image_state: Mapping[str, torch.Tensor], model: nn.Module, how: str = "center") -> Inflation:
    """Fill a 3-D model from the weights of its image network.

    image_state: state dict of an image backbone or Network of ours. model: a 3-D backbone, a Network, or a SlowFast,
    whose pathways are filled where shapes allow. A layer is filled whole or not at all.
    how: "center" puts a kernel at the middle frame, so a still clip gives the image's maps at every frame; "mean"
    spreads it evenly over the frames (as I3D and PySlowFast do), which gives them away from the zero-padded ends.

    Raises:
        ValueError: an unknown `how`, or image weights none of which fits.
    """
    if how not in WAYS:
        raise ValueError(f"how is {how!r}; it must be one of {', '.join(WAYS)}")
    names = {key.removeprefix("backbone."): key for key in image_state}
    inflated, copied, skipped, missing, used = [], [], {}, [], set()
    for keys, layer in layers(model).items():
        values = {key: image_state.get(names.get(image_name(key), "")) for key in keys}
        if all(value is None for value in values.values()):
            missing += keys
            continue
        used |= {names[image_name(key)] for key, value in values.items() if value is not None}
        reason = misfit(values, layer)
        if reason:
            skipped |= dict.fromkeys(keys, reason)
            continue
        for key, value in values.items():
            if value is not None:
                longer = value.dim() == 4 and layer[key].dim() == 5
                (inflated if longer else copied).append(key)
                with torch.no_grad():
                    layer[key].copy_(stretch(value, layer[key].shape[2], how) if longer else value)
    if not inflated and not copied:
        theirs, ours = next(iter(names), "(none)"), next(iter(model.state_dict()), "(none)")
        raise ValueError(
            f"none of the {len(names)} image weights fits the model: they have names like {theirs}, "
            f"the model like {ours}; convert foreign weights first"
        )
    unused = tuple(key for key in image_state if key not in used)
    return Inflation(tuple(inflated), tuple(copied), skipped, tuple(missing), unused)


def layers(model: nn.Module) -> dict[tuple[str, ...], dict[str, torch.Tensor]]:
    """The tensors of a model by layer: keys of one layer -> its tensors."""
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in model.state_dict().items():
        groups.setdefault(key.rpartition(".")[0], {})[key] = tensor
    return {tuple(group): group for group in groups.values()}


def image_name(key: str) -> str:
    """The name that a tensor of a video model has in its image network."""
    key = key.removeprefix("backbone.")
    for pathway in PATHWAYS:
        key = key.removeprefix(pathway)
    return key


def misfit(values: Mapping[str, torch.Tensor | None], layer: Mapping[str, torch.Tensor]) -> str:
    """Why image weights do not fit a layer; empty if they do."""
    for key, value in values.items():
        wanted = tuple(layer[key].shape)
        if value is None:
            if not key.endswith(COUNTER):
                return f"the image weights have no {image_name(key)}"
            continue
        flat = wanted[:2] + wanted[3:] if value.dim() == 4 and len(wanted) == 5 else wanted
        if tuple(value.shape) != flat:
            return f"{key.rpartition('.')[2]} has shape {tuple(value.shape)} in the image weights, {wanted} here"
    return ""


def stretch(kernel: torch.Tensor, frames: int, how: str) -> torch.Tensor:
    """A kernel (out, in, h, w) over `frames` frames: (out, in, frames, h, w)."""
    if how == "mean":
        return kernel.unsqueeze(2).expand(-1, -1, frames, -1, -1) / frames
    long = kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    long[:, :, frames // 2] = kernel
    return long
