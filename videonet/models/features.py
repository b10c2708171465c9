"""Features: what the layers of a network give, by the layers' names and without changing the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from videonet.layers.nd import pool_global
from videonet.models.heads import Roi
from videonet.models.network import Network
from videonet.suggest import suggest

POOL = "pool"  # what the head's linear layer takes
BACKBONE = "backbone."


def find_layers(model: Network, name: str) -> list[nn.Module]:
    """The modules that a name means: one, or one of each pathway ("res5" of a SlowFast); of POOL, the head's linear.

    Names are the modules' without `backbone.`: stem, res2 .. res5, slow.res5, fast.res5, res5.0.conv2, head.lin ...
    """
    modules = dict(model.named_modules())
    if name == POOL:
        return [model.head.fc]
    for full in (BACKBONE + name, name):
        if full in modules:
            return [modules[full]]
    found = [modules[f"{BACKBONE}{way}.{name}"] for way in ("slow", "fast") if f"{BACKBONE}{way}.{name}" in modules]
    if not found:
        known = [POOL, *(key.removeprefix(BACKBONE) for key in modules if key)]
        raise ValueError(f"the network has no layer {name!r}{suggest(name, known)} (--layer list names them all)")
    return found


class Features:
    """Features of a layer: (B, 3, [T,] H, W) -> (B, C), its map's mean over time and space, pathways side by side.

    They are what a forward hook sees. POOL gives the vector that the head's linear layer takes (dropout is off).
    """

    def __init__(self, model: Network, name: str) -> None:
        self.name = name
        self._layers = find_layers(model, name)
        inside = set(model.backbone.modules()).issuperset(self._layers)
        self._run = model.backbone if inside else model  # a head may take more than the clip

    @torch.no_grad()
    def __call__(self, clip: Tensor) -> Tensor:
        maps: list[Tensor] = []
        with _watched(self._layers, lambda layer, value: maps.append(value), before=self.name == POOL):
            self._run(clip)
        for value in maps:
            if not isinstance(value, Tensor) or value.dim() < 2 or len(value) != len(clip):
                raise ValueError(f"layer {self.name!r} gives no map of the clip; --layer list names those that do")
        return torch.cat([pool_global(value) if value.dim() > 2 else value for value in maps], 1).float()


def layer_shapes(model: Network, clip: Tensor) -> dict[str, tuple[int, ...]]:
    """Each layer that gives a map (C, [T,] H, W) or a vector (C,) of a clip (1, 3, [T,] H, W), in the order it runs.

    Of a detection network those of its backbone.
    """
    names = {module: name.removeprefix(BACKBONE) for name, module in model.named_modules() if name}
    shapes: dict[str, tuple[int, ...]] = {}

    def note(layer: nn.Module, value: object) -> None:
        if isinstance(value, Tensor) and value.dim() > 1 and len(value) == 1:
            shapes[names[layer]] = tuple(value.shape[1:])

    of_boxes = isinstance(model.head, Roi)
    with torch.no_grad(), _watched(list(names), note):
        (model.backbone if of_boxes else model)(clip)
    return shapes if of_boxes else {**shapes, POOL: (Features(model, POOL)(clip).shape[1],)}


@contextmanager
def _watched(
    layers: list[nn.Module], note: Callable[[nn.Module, object], None], before: bool = False
) -> Iterator[None]:
    """Call `note` with what each layer gives, or `before` takes."""
    if before:
        hooks = [layer.register_forward_pre_hook(lambda layer, args: note(layer, args[0])) for layer in layers]
    else:
        hooks = [layer.register_forward_hook(lambda layer, args, value: note(layer, value)) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
