"""LinearNorm: a linear layer with a norm on the (B, C) summaries that attention computes."""

from __future__ import annotations

import torch
from torch import nn

from videonet.layers.act import Act
from videonet.layers.nd import Nd


def vector_norm(channels: int, policy: str = "batch", *, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
    """The norm of (B, C) vectors under a policy of `Nd`.

    "group" becomes one group over all channels: a vector has one value a channel, and 32 groups of 32 channels would
    leave nothing but the bias.
    """
    if policy == "none":
        return nn.Identity()
    if policy == "group":
        return nn.GroupNorm(1, channels, eps=1e-5)
    return nn.BatchNorm1d(channels, eps=eps, momentum=momentum)


def check_batch(norm: nn.Module, x: torch.Tensor) -> None:
    """ValueError where a batch norm has to train on a single vector, (1, C), of which it would leave nothing."""
    if isinstance(norm, nn.BatchNorm1d) and norm.training and x.shape[0] == 1:
        raise ValueError(
            f"a batch of 1 cannot train this network: it normalises pooled vectors of {x.shape[1]} channels over "
            "the batch; use a batch of 2 or more, norm='group', or freeze the norms"
        )


class LinearNorm(nn.Module):
    """linear (no bias) - norm [- act] on vectors, with the same weights in 2-D and 3-D. Keys: `fc`, `bn`.

    A checkpoint with 1x1 convolutions fits after a reshape. std: of the initial weights; None for the factory's rule.
    """

    def __init__(self, nd: Nd, c_in: int, c_out: int, *, act: Act | None = None, std: float | None = None) -> None:
        super().__init__()
        self.fc = nn.Linear(c_in, c_out, bias=False)
        self.bn = vector_norm(c_out, nd.norm_policy, eps=nd.bn_eps, momentum=nd.bn_momentum)
        self.act = act(c_out) if act else nn.Identity()
        if std is None:
            nd.initialise(self.fc)
        else:
            nn.init.normal_(self.fc.weight, std=std)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in) -> (B, c_out)."""
        x = self.fc(x)
        check_batch(self.bn, x)
        return self.act(self.bn(x))
