"""Ghost-ResNet (Han et al. 2020, arXiv 1911.11907, section 4.1): ResNets with Ghost modules for their convolutions."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from videonet.layers.act import relu
from videonet.layers.ghost import GhostModule
from videonet.layers.nd import Nd
from videonet.layers.shortcut import find_shortcut
from videonet.models.blocks import Residual
from videonet.models.image.resnet import CIFAR, find_depths, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, stages


class GhostResidual(Residual):
    """A residual block whose branch is Ghost modules of the given kernels: (3, 3) basic, (1, 3, 1) a bottleneck.

    Keys: ghosts.i[, shortcut, context]. The stride is the first 3x3's; time enters the first module.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        width: int,
        c_out: int,
        *,
        stride: int = 1,
        t: int = 1,
        t_stride: int = 1,
        dilation: int = 1,
        kernels: tuple[int, ...] = (1, 3, 1),
        shortcut: str = "ghost",
        ratio: int = 2,
        cheap_kernel: int = 3,
    ) -> None:
        ghost = {"ratio": ratio, "cheap_kernel": cheap_kernel}
        pick = partial(ghost_shortcut, **ghost) if shortcut == "ghost" else find_shortcut(shortcut)
        super().__init__(nd, c_in, c_out, stride=stride, t_stride=t_stride, shortcut=pick, act=relu)
        widths = [c_in, *[width] * (len(kernels) - 1), c_out]
        last, strided = len(kernels) - 1, kernels.index(3)
        self.ghosts = nn.Sequential(
            *(
                GhostModule(
                    nd,
                    widths[i],
                    widths[i + 1],
                    kernel,
                    stride if i == strided else 1,
                    t=1 if i else t,
                    t_stride=1 if i else t_stride,
                    dilation=dilation if kernel > 1 else 1,
                    **ghost,
                    act=None if i == last else relu,
                    zero=i == last,
                )
                for i, kernel in enumerate(kernels)
            )
        )

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """The Ghost modules in a row."""
        return self.ghosts(x)


def ghost_shortcut(nd: Nd, c_in: int, c_out: int, stride: int, t_stride: int = 1, **ghost: int) -> nn.Module | None:
    """A 1x1 Ghost module where the shape changes; ghost: ratio and cheap_kernel of `GhostModule`."""
    if (c_in, stride, t_stride) == (c_out, 1, 1):
        return None
    return GhostModule(nd, c_in, c_out, 1, stride, t_stride=t_stride, act=None, **ghost)


def ghost_resnet(nd: Nd, *, depth: int = 50, ratio: int = 2, cheap_kernel: int = 3, pathway: Pathway = IMAGE) -> Trunk:
    """The trunk of an ImageNet Ghost-ResNet: every convolution but the stem's is a Ghost module.

    depth: of a bottleneck ResNet, 50 as published. ratio, cheap_kernel: s (2 or 4) and d of the Ghost modules, which
    have a norm behind each half and no bias (the released file has biases, no norms inside and weights it never reads;
    its multiply-adds are equal). In 3-D the first module's 1x1 becomes t x 1 x 1.
    """
    if depth < 50:
        raise ValueError(f"depth is {depth}; a Ghost-ResNet has bottlenecks: 50, 101, 152 or 200")
    stem = Stem(nd, pathway.width(64), t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    widths = [pathway.width(64) * 2**i for i in range(4)]
    channels = [4 * w for w in widths]
    block = partial(GhostResidual, ratio=ratio, cheap_kernel=cheap_kernel)
    row = stages(nd, block, find_depths(depth), stem.channels, widths, channels, pathway=pathway)
    return Trunk(nd, stem, row, channels, strides=strides_of(stem.stride, pathway), pool_t=pathway.pool_t)


def cifar_ghost_resnet(
    nd: Nd, *, depth: int = 56, ratio: int = 2, cheap_kernel: int = 3, width: int = 16, pathway: Pathway = IMAGE
) -> Trunk:
    """The trunk of a CIFAR Ghost-ResNet of 6n + 2 layers: three stages of n blocks with two 3x3 Ghost modules each."""
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is {depth}; a CIFAR Ghost-ResNet has 6n + 2 layers, 56 as published")
    stem = Stem(
        nd, pathway.width(width), kernel=3, stride=1, t=pathway.stem_t, t_stride=pathway.stem_t_stride, pool=False
    )
    channels = [pathway.width(width) * 2**i for i in range(3)]
    block = partial(GhostResidual, kernels=(3, 3), shortcut="A", ratio=ratio, cheap_kernel=cheap_kernel)
    row = stages(nd, block, [(depth - 2) // 6] * 3, stem.channels, channels, channels, pathway=pathway)
    return Trunk(nd, stem, row, channels, strides=(1, 2, 4), pool_t=pathway.pool_t)


PAPER = "Ghost-ResNet (Han et al. 2020, arXiv 1911.11907, section 4.1)"

VARIANTS = {
    "ghost_resnet50": Variant(ghost_resnet, head_settings={"dropout": 0.0}, doc=f"{PAPER}, 50 layers, s = 2."),
    "ghost_resnet50_s4": Variant(
        ghost_resnet, {"ratio": 4}, head_settings={"dropout": 0.0}, doc=f"{PAPER}, 50 layers, s = 4."
    ),
    "cifar_ghost_resnet56": Variant(cifar_ghost_resnet, doc=f"{PAPER}, 56 layers for CIFAR, s = 2.", **CIFAR),
}
