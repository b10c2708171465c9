"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391): where in a clip the evidence for a class lies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videonet.models.features import find_layers
from videonet.models.network import Network


class GradCam:
    """Evidence for a class over the maps of a layer; by default of the last map of every pathway.

    Section 3 of the paper: each channel is weighed by the gradient of the class's logit; under a softmax, which a
    number added to all logits does not change, of how far it is above their mean. Gradients are summed over the map, so
    that behind a global mean the evidence is what each position adds, and pathways of different rates can be added up.
    What `relu` leaves of it is the paper's map.

    layer: a name such as "res4" or "slow.res5", as `models.features` knows them; "": the last maps.
    """

    def __init__(self, model: Network, layer: str = "") -> None:
        self.model = model
        self._layers = find_layers(model, layer) if layer else []

    @torch.enable_grad()
    def __call__(self, clip: Tensor, label: int) -> Tensor:
        """(B, 3, [T,] H, W) -> evidence (B, T', H', W') for a class; of an image, T' is 1."""
        maps, logits = self._watched(clip) if self._layers else self._last(clip)
        above = logits[:, label] - (logits.mean(1) if self.model.activation == "softmax" else 0)
        gradients = torch.autograd.grad(above.sum(), maps)
        found = [evidence(value.detach(), gradient) for value, gradient in zip(maps, gradients)]
        size = [max(sizes) for sizes in zip(*(one.shape[1:] for one in found))]
        return sum(F.interpolate(one[:, None], size, mode="trilinear")[:, 0] for one in found)

    def _last(self, clip: Tensor) -> tuple[list[Tensor], Tensor]:
        with torch.no_grad():
            maps = self.model.pathways(clip)
        maps = [value.detach().requires_grad_() for value in maps]
        return maps, self.model.head([value.clone() for value in maps])  # some layers work in place

    def _watched(self, clip: Tensor) -> tuple[list[Tensor], Tensor]:
        maps: list[Tensor] = []

        def take(layer: nn.Module, args: tuple, value: Tensor) -> Tensor:
            maps.append(value.detach().requires_grad_())
            return maps[-1].clone()

        hooks = [layer.register_forward_hook(take) for layer in self._layers]
        try:
            logits = self.model(clip)
        finally:
            for hook in hooks:
                hook.remove()
        return maps, logits


def evidence(value: Tensor, gradient: Tensor) -> Tensor:
    """Map and gradient (B, C, [T,] H, W) -> (B, T, H, W): channels weighed by their gradients' sums."""
    if value.dim() == 4:
        value, gradient = value.unsqueeze(2), gradient.unsqueeze(2)
    weights = gradient.sum((2, 3, 4), keepdim=True)
    return (weights * value).sum(1)
