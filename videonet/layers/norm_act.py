"""NormAct: a norm and its activation, what ends a pre-activation network."""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import Act, relu
from videonet.layers.nd import Nd


class NormAct(nn.Module):
    """act(bn(x)) (He et al. 2016, "Identity Mappings", appendix). Keys: bn."""

    def __init__(self, nd: Nd, channels: int, act: Act = relu) -> None:
        super().__init__()
        self.bn = nd.norm(channels)
        self.act = act(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any map -> the same shape."""
        return self.act(self.bn(x))
