"""DenseNet (Huang et al. 2017, "Densely Connected Convolutional Networks", arXiv 1608.06993)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from videonet.layers.act import apart, relu
from videonet.layers.nd import Nd
from videonet.layers.norm_act import NormAct
from videonet.models.blocks import TIMES, choose
from videonet.models.image.preact import PlainStem
from videonet.models.image.resnet import CIFAR, strides_of
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.trunk import Stem, Trunk, check_depths

DEPTHS = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 264: (6, 12, 64, 48)}


@contextmanager
def _own_buffers(module: nn.Module) -> Iterator[None]:
    """Inside, the module works on copies of its buffers: a recomputed norm does not count a batch twice."""
    kept = [(m, dict(m._buffers)) for m in module.modules() if m._buffers]
    for m, buffers in kept:
        m._buffers.update({name: b.clone() for name, b in buffers.items() if b is not None})
    try:
        yield
    finally:
        for m, buffers in kept:
            m._buffers.update(buffers)


class DenseLayer(nn.Module):
    """`growth` new maps from all the maps before (section 3). Keys: bn1, conv1[, bn2, conv2].

    bottleneck: a 1x1 of 4 x growth channels before the 3x3 (DenseNet-B). memory_efficient: in training, compute again
    in the backward pass what leads up to the first convolution's output (Pleiss et al. 2017, arXiv 1707.06990).
    time_at: in 3-D, which of the two convolutions has the temporal kernel; a plain layer has only one.
    """

    def __init__(
        self,
        nd: Nd,
        c_in: int,
        growth: int,
        *,
        t: int = 1,
        dilation: int = 1,
        bottleneck: bool = True,
        dropout: float = 0.0,
        time_at: str = "pointwise",
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.bn1, self.act1 = nd.norm(c_in), relu(c_in)
        if bottleneck:
            early = choose("time_at", time_at, TIMES) == "pointwise"
            self.conv1 = nd.conv(c_in, 4 * growth, 1, t=t if early else 1)
            self.bn2, self.act2 = nd.norm(4 * growth), relu(4 * growth)
            self.conv2 = nd.conv(4 * growth, growth, 3, t=1 if early else t, dilation=dilation)
        else:
            self.conv1 = nd.conv(c_in, growth, 3, t=t, dilation=dilation)
        self.bottleneck, self.memory_efficient = bottleneck, memory_efficient
        self.dropout = nn.Dropout(dropout)
        self.context: nn.Module = nn.Identity()

    def squeeze(self, *maps: torch.Tensor) -> torch.Tensor:
        """Concatenation, norm, activation and the first convolution."""
        return self.conv1(self.act1(self.bn1(torch.cat(maps, 1))))

    def contexts(self) -> tuple[AbstractContextManager, AbstractContextManager]:
        """What the first pass and the recomputation run in."""
        return nullcontext(), _own_buffers(self)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """All maps of the stage so far, (B, c_i, [T,] H, W) each -> the new ones (B, growth, [T,] H, W)."""
        recompute = self.memory_efficient and not torch.compiler.is_compiling()  # a compiler chooses what it recomputes
        if recompute and torch.is_grad_enabled() and any(m.requires_grad for m in maps):
            x = checkpoint(self.squeeze, *maps, use_reentrant=False, context_fn=self.contexts)
        else:
            x = self.squeeze(*maps)
        x = self.dropout(x)
        return self.dropout(self.conv2(self.act2(self.bn2(x)))) if self.bottleneck else x


class Transition(nn.Module):
    """bn - relu - 1x1 - mean of 2 x 2: to fewer maps of half the size (section 3). Keys: bn, conv."""

    def __init__(self, nd: Nd, c_in: int, c_out: int, *, stride: int, t_stride: int, dropout: float) -> None:
        super().__init__()
        self.bn, self.act = nd.norm(c_in), apart(relu)(c_in)
        self.conv = nd.conv(c_in, c_out, 1)
        self.dropout = nn.Dropout(dropout)
        self.pool = nd.avg_pool(stride, stride, t_stride=t_stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H / stride, W / stride)."""
        return self.pool(self.dropout(self.conv(self.act(self.bn(x)))))


class DenseStage(nn.Module):
    """The transition into a dense block and the block; its map is all maps concatenated. Keys: transition, layers."""

    def __init__(self, transition: nn.Module, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.transition = transition
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        maps = [self.transition(x)]
        for layer in self.layers:
            maps.append(layer(maps))
            if not isinstance(layer.context, nn.Identity):
                maps = [layer.context(torch.cat(maps, 1))]
        return torch.cat(maps, 1)


def dense_stages(
    nd: Nd,
    depths: Sequence[int],
    c_in: int,
    growth: int,
    *,
    compression: float,
    dropout: float,
    pathway: Pathway,
    **layer: bool | str,
) -> tuple[list[DenseStage], list[int]]:
    """The stages and the channels of their maps; `layer` are settings of `DenseLayer`."""
    if not 0 < compression <= 1:
        raise ValueError(f"compression is {compression}; a transition keeps a part of the maps in (0, 1]")
    stages, channels = [], []
    for i, depth in enumerate(depths):
        c = c_in + pathway.fused[i]
        transition: nn.Module = nn.Identity()
        t_stride = pathway.t_strides[i]
        if i:
            c_out = max(1, int(c * compression))
            transition = Transition(nd, c, c_out, stride=pathway.stride(i, 2), t_stride=t_stride, dropout=dropout)
            c = c_out
        elif t_stride > 1:
            transition = nd.avg_pool(1, 1, t_stride=t_stride)
        layers = []
        for j, t in enumerate(pathway.kernels(i, depth)):
            layers.append(DenseLayer(nd, c, growth, t=t, dilation=pathway.dilation(i), dropout=dropout, **layer))
            c += growth
            if j in pathway.context_at[i]:
                layers[-1].context = pathway.context(nd, c, i)
        stages.append(DenseStage(transition, layers))
        channels.append(c)
        c_in = c
    return stages, channels


def densenet(
    nd: Nd,
    *,
    depth: int = 121,
    blocks: Sequence[int] = (),
    growth: int = 32,
    compression: float = 0.5,
    bottleneck: bool = True,
    dropout: float = 0.0,
    time_at: str = "pointwise",
    memory_efficient: bool = False,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of an ImageNet DenseNet (table 1); a stage is a dense block with the transition before it.

    depth: 121, 161, 169, 201 or 264; blocks: layers of each dense block, in place of `depth`. growth: maps that a layer
    adds (48 in DenseNet-161). compression: part of the maps that a transition keeps. bottleneck: 1x1 before each
    3x3. dropout: after each convolution (0.2 in training without augmentation). memory_efficient: recompute in the
    backward pass what leads up to each layer's first convolution. time_at: "pointwise" or "spatial", as in `resnet`.
    """
    if not blocks and depth not in DEPTHS:
        raise ValueError(f"depth is {depth}; a DenseNet has one of {', '.join(map(str, DEPTHS))}, or give blocks")
    blocks = tuple(blocks) or DEPTHS[depth]
    check_depths("blocks", blocks, 4)
    growth = pathway.width(growth)
    stem = Stem(nd, 2 * growth, t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    layer = {"bottleneck": bottleneck, "time_at": time_at, "memory_efficient": memory_efficient}
    body, channels = dense_stages(
        nd,
        blocks,
        stem.channels,
        growth,
        compression=compression,
        dropout=dropout,
        pathway=pathway,
        **layer,
    )
    end, strides = NormAct(nd, channels[-1]), strides_of(stem.stride, pathway)
    return Trunk(nd, stem, body, channels, strides=strides, pool_t=pathway.pool_t, end=end)


def cifar_densenet(
    nd: Nd,
    *,
    depth: int = 100,
    growth: int = 12,
    compression: float = 1.0,
    bottleneck: bool = False,
    dropout: float = 0.0,
    time_at: str = "pointwise",
    memory_efficient: bool = False,
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a CIFAR DenseNet (section 4.2): three dense blocks at strides 1, 2, 4.

    depth: 3n + 4 layers, 6n + 4 with bottlenecks. The plain net starts with 16 maps, DenseNet-BC (bottlenecks and
    compression 0.5) with 2 x growth. Other arguments as in `densenet`.
    """
    layers = 6 if bottleneck else 3
    if depth < layers + 4 or (depth - 4) % layers:
        raise ValueError(f"depth is {depth}; a CIFAR DenseNet has {layers}n + 4 layers: 40, 100, 190, 250")
    compressed = bottleneck and compression < 1
    width, growth = pathway.width(2 * growth if compressed else 16), pathway.width(growth)
    stem = PlainStem(nd, width, t=pathway.stem_t, t_stride=pathway.stem_t_stride)
    layer = {"bottleneck": bottleneck, "time_at": time_at, "memory_efficient": memory_efficient}
    depths = ((depth - 4) // layers,) * 3
    body, channels = dense_stages(
        nd, depths, width, growth, compression=compression, dropout=dropout, pathway=pathway, **layer
    )
    end = NormAct(nd, channels[-1])
    return Trunk(nd, stem, body, channels, strides=(1, 2, 4), pool_t=pathway.pool_t, end=end)


PAPER = "DenseNet (Huang et al. 2017, arXiv 1608.06993"


def _cifar(depth: int, growth: int, bc: bool) -> Variant:
    settings = {"depth": depth, "growth": growth, "bottleneck": bc, "compression": 0.5 if bc else 1.0}
    return Variant(cifar_densenet, settings, doc=f"CIFAR {PAPER}, table 2), {depth} layers, growth {growth}.", **CIFAR)


VARIANTS = {
    f"densenet{depth}": Variant(
        densenet,
        {"depth": depth, "growth": 48 if depth == 161 else 32},
        head_settings={"dropout": 0.0},
        doc=f"{PAPER}, table 1), {depth} layers.",
    )
    for depth in DEPTHS
} | {
    f"cifar_densenet{'bc' if bc else ''}_L{depth}_k{growth}": _cifar(depth, growth, bc)
    for depth, growth, bc in (
        (40, 12, False),
        (100, 12, False),
        (100, 24, False),
        (100, 12, True),
        (250, 24, True),
        (190, 40, True),
    )
}
