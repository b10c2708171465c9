"""Pathway: the part that a trunk plays in a network. Its default is the plain image network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from videonet.layers.nd import Nd, divide_channels

Kernels = int | tuple[int, ...]


@dataclass(frozen=True)
class Pathway:
    """Where a trunk sees time, how wide it is and what joins it; every image family takes one.

    stem_t: frames of the stem's kernel.
    t: per stage res2..res5, the temporal kernel of its blocks; a tuple is repeated over the blocks, so `(3, 1)`
        gives every other block a kernel of 3 (I3D, Wang et al. 2018, table 1).
    t_blocks: per stage, how many blocks may have a temporal kernel; the rest get 1. () means all.
    t_strides: per stage, the temporal stride of its first block. stem_t_stride: of the stem.
    pool_t: frames that a max pool after res2 joins (2 in C2D and I3D).
    scale: multiplies every width (1/8 in the Fast pathway of SlowFast, section 3.2).
    fused: per stage, channels that laterals add to its input.
    output_stride: 32, or 16 for dilated res5 (detection on AVA).
    context_at: per stage, the blocks (from 0) that a context block follows; `context` makes it from (nd, channels,
        stage from 0).
    """

    stem_t: int = 1
    t: tuple[Kernels, ...] = (1, 1, 1, 1)
    t_blocks: tuple[int, ...] = ()
    t_strides: tuple[int, ...] = (1, 1, 1, 1)
    stem_t_stride: int = 1
    pool_t: int = 1
    scale: float = 1.0
    fused: tuple[int, ...] = (0, 0, 0, 0)
    output_stride: int = 32
    context_at: tuple[tuple[int, ...], ...] = ((), (), (), ())
    context: Callable[[Nd, int, int], nn.Module] | None = None

    def __post_init__(self) -> None:
        if self.output_stride not in (16, 32):
            raise ValueError(f"output_stride is {self.output_stride}; it must be 32, or 16 for a dilated res5")
        if any(self.context_at) and self.context is None:
            raise ValueError("context_at names blocks, but there is no context to put there")

    def width(self, channels: int) -> int:
        """`channels` of the full network, at this pathway's scale."""
        return divide_channels(channels, self.scale)

    def groups(self, groups: int, width: int) -> int:
        """Groups of a grouped convolution at this scale: the same channels a group, hence fewer groups."""
        scaled = max(1, divide_channels(groups, self.scale))
        return next(g for g in range(min(scaled, width), 0, -1) if width % g == 0)

    def kernels(self, stage: int, depth: int) -> list[int]:
        """The temporal kernel of each of the `depth` blocks of a stage (0 = res2)."""
        pattern = self.t[stage]
        pattern = (pattern,) if isinstance(pattern, int) else tuple(pattern)
        limit = self.t_blocks[stage] if self.t_blocks else depth
        return [pattern[i % len(pattern)] if i < limit else 1 for i in range(depth)]

    def stride(self, stage: int, stride: int) -> int:
        """The spatial stride of a stage: res5 keeps its size when the output stride is 16."""
        return 1 if stage == 3 and self.output_stride == 16 else stride

    def dilation(self, stage: int) -> int:
        """The dilation of a stage's 3x3 kernels: 2 where res5 gave up its stride."""
        return 2 if stage == 3 and self.output_stride == 16 else 1


def kernels(t: Sequence[Kernels]) -> tuple[Kernels, ...]:
    """Temporal kernels as a config gives them (lists), as a Pathway keeps them (tuples)."""
    return tuple(k if isinstance(k, int) else tuple(k) for k in t)


IMAGE = Pathway()
