"""Stem, stage and Trunk: what turns blocks into a backbone, for all families."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from videonet.layers.act import Act, relu
from videonet.layers.nd import Nd
from videonet.models.pathway import IMAGE, Pathway

STAGES = ("res2", "res3", "res4", "res5")


class Stem(nn.Module):
    """conv t x 7 x 7 / 2 - bn - act - max pool 3 x 3 / 2 (He et al. 2015, table 1). Keys: conv, bn."""

    def __init__(
        self,
        nd: Nd,
        channels: int,
        *,
        c_in: int = 3,
        kernel: int = 7,
        stride: int = 2,
        t: int = 1,
        t_stride: int = 1,
        pool: bool = True,
        act: Act = relu,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nd.conv(c_in, channels, kernel, stride, t=t, t_stride=t_stride, bias=bias)
        self.bn = nd.norm(channels)
        self.act = act(channels)
        self.pool = nd.max_pool(3, 2) if pool else nn.Identity()
        self.channels = channels
        self.stride = stride * (2 if pool else 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, channels, [T,] H / stride, W / stride)."""
        return self.pool(self.act(self.bn(self.conv(x))))


class DeepStem(nn.Module):
    """Three 3 x 3 convolutions, the first with stride 2 (t x 3 x 3), then a max pool 3 x 3 / 2; for SENet-154 and
    ResNet-C/D kinds (He et al. 2019, section 4.2). Keys: conv1, bn1, conv2, bn2, conv3, bn3.

    widths: channels of the three.
    """

    def __init__(
        self, nd: Nd, widths: Sequence[int], *, c_in: int = 3, t: int = 1, t_stride: int = 1, act: Act = relu
    ) -> None:
        super().__init__()
        first, second, third = widths
        self.conv1 = nd.conv(c_in, first, 3, 2, t=t, t_stride=t_stride)
        self.bn1, self.act1 = nd.norm(first), act(first)
        self.conv2 = nd.conv(first, second, 3)
        self.bn2, self.act2 = nd.norm(second), act(second)
        self.conv3 = nd.conv(second, third, 3)
        self.bn3, self.act3 = nd.norm(third), act(third)
        self.pool = nd.max_pool(3, 2)
        self.channels = third
        self.stride = 4

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, channels, [T,] H / 4, W / 4)."""
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))
        return self.pool(self.act3(self.bn3(self.conv3(x))))


def stage(
    nd: Nd,
    block: Callable[..., nn.Module],
    index: int,
    depth: int,
    c_in: int,
    width: int,
    c_out: int,
    *,
    stride: int = 2,
    first_block: Callable[..., nn.Module] | None = None,
    pathway: Pathway = IMAGE,
) -> nn.Sequential:
    """The blocks of stage `index` (0 = res2) in a row; the first one strides and takes what laterals join.

    c_in: channels of the map before it, without the laterals'. width: inside the blocks; c_out: of their outputs.
    first_block: makes the first block where it differs from the others.
    """
    kernels = pathway.kernels(index, depth)
    dilation = pathway.dilation(index)
    blocks = []
    for i, t in enumerate(kernels):
        first = i == 0
        make = first_block if first and first_block else block
        one = make(
            nd,
            c_in + pathway.fused[index] if first else c_out,
            width,
            c_out,
            stride=pathway.stride(index, stride) if first else 1,
            t=t,
            t_stride=pathway.t_strides[index] if first else 1,
            dilation=dilation,
        )
        if i in pathway.context_at[index]:
            one.context = pathway.context(nd, c_out, index)
        blocks.append(one)
    return nn.Sequential(*blocks)


def stages(
    nd: Nd,
    blocks: Callable[..., nn.Module] | Sequence[Callable[..., nn.Module]],
    depths: Sequence[int],
    c_in: int,
    widths: Sequence[int],
    channels: Sequence[int],
    *,
    strides: Sequence[int] = (1, 2, 2, 2),
    first_blocks: Sequence[Callable[..., nn.Module] | None] = (None, None, None, None),
    pathway: Pathway = IMAGE,
) -> list[nn.Sequential]:
    """All stages of a network whose stages follow each other: `stage` once for each of `depths`.

    blocks: one block for all stages, or one for each. c_in: channels of the stem. widths, channels, strides: of each
    stage, as in `stage`.
    """
    blocks = [blocks] * len(depths) if callable(blocks) else blocks
    before = [c_in, *channels]
    return [
        stage(nd, block, i, depth, c, width, c_out, stride=stride, first_block=first, pathway=pathway)
        for i, (block, depth, c, width, c_out, stride, first) in enumerate(
            zip(blocks, depths, before, widths, channels, strides, first_blocks)
        )
    ]


def check_depths(key: str, depths: Sequence[int], stages: int) -> None:
    """ValueError unless `depths`, the argument `key`, say how many blocks each of the stages has."""
    if len(depths) != stages or min(depths) < 1:
        raise ValueError(f"{key} is {list(depths)}; it must be {stages} numbers above 0, the blocks of each stage")


class Trunk(nn.Module):
    """A stem and four stages: the backbone that every family builds. Keys: stem, res2, res3, res4, res5[, end].

    channels, strides: of the four maps (spatial strides from the input). stem_channels: of the stem's map.
    pool_t: frames joined by a max pool between res2 and res3.
    end: what follows the last stage (the closing norm and activation of pre-activation networks).
    """

    def __init__(
        self,
        nd: Nd,
        stem: nn.Module,
        stages: Sequence[nn.Module],
        channels: Sequence[int],
        *,
        strides: Sequence[int] = (4, 8, 16, 32),
        pool_t: int = 1,
        end: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.dims = nd.dims
        self.stem = stem
        self.stem_channels = stem.channels
        for name, module in zip(STAGES, stages):
            self.add_module(name, module)
        self.end = end or nn.Identity()
        self.pool_t = nd.max_pool(1, 1, t=pool_t, t_stride=pool_t) if pool_t > 1 else nn.Identity()
        self.channels = list(channels)
        self.strides = list(strides)

    @property
    def stages(self) -> list[nn.Module]:
        """res2 .. res5 (families with fewer or more stages name theirs the same way)."""
        return [getattr(self, name) for name in STAGES[: len(self.channels)]]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, [T,] H, W) -> the maps of res2 .. res5."""
        check_input(x, self.dims)
        x = self.stem(x)
        maps = []
        for i, module in enumerate(self.stages):
            x = module(x)
            maps.append(x)
            if i == 0:
                x = self.pool_t(x)
        maps[-1] = self.end(maps[-1])
        return maps


def check_input(x: torch.Tensor, dims: int) -> None:
    """A clear error for a clip given to an image network, and the reverse."""
    if x.dim() != dims + 2:
        wanted = "(B, C, H, W)" if dims == 2 else "(B, C, T, H, W)"
        raise ValueError(f"the input has shape {tuple(x.shape)}; this network takes {wanted}")
