"""Activations as factories of the channel count, so that per-channel ones (PReLU) fit the same slot."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

Act = Callable[[int], nn.Module]


def relu(channels: int) -> nn.Module:
    """max(0, x)."""
    return nn.ReLU(inplace=True)


def silu(channels: int) -> nn.Module:
    """x * sigmoid(x), the Swish of X3D (Feichtenhofer 2020, section 3.1)."""
    return nn.SiLU(inplace=True)


def hard_swish(channels: int) -> nn.Module:
    """x * relu6(x + 3) / 6 (MobileNetV3, Howard et al. 2019, section 5.2)."""
    return nn.Hardswish(inplace=True)


def prelu(channels: int) -> nn.Module:
    """max(0, x) + a min(0, x) with one learned `a` a channel, 0.25 at the start (He et al. 2015, section 2.1)."""
    return nn.PReLU(channels, init=0.25)


def prelu_shared(channels: int) -> nn.Module:
    """PReLU with one `a` for all channels of a layer (He et al. 2015, section 2.1, "channel-shared")."""
    return nn.PReLU(1, init=0.25)


def identity(channels: int) -> nn.Module:
    """No activation."""
    return nn.Identity()


def apart(act: Act) -> Act:
    """The same activation, leaving its input as it was: for inputs that others read too."""

    def make(channels: int) -> nn.Module:
        module = act(channels)
        if hasattr(module, "inplace"):
            module.inplace = False
        return module

    return make


ACTS: dict[str, Act] = {
    "relu": relu,
    "silu": silu,
    "hard_swish": hard_swish,
    "prelu": prelu,
    "prelu_shared": prelu_shared,
    "none": identity,
}


def find_act(name: str) -> Act:
    """The activation of that name, for configs."""
    if name not in ACTS:
        raise ValueError(f"activation {name!r} is unknown; there are {', '.join(ACTS)}")
    return ACTS[name]
