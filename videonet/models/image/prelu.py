"""PReLU networks A, B, C and the plain 14- and 30-layer ones (He et al. 2015, "Delving Deep into Rectifiers",
arXiv 1502.01852)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from operator import mul

import torch
import torch.nn.functional as F
from torch import nn

from videonet.layers.act import Act, find_act, prelu
from videonet.layers.nd import Nd
from videonet.models.network import Variant
from videonet.models.pathway import IMAGE, Pathway
from videonet.models.spp import SppHead
from videonet.models.trunk import Stem, Trunk, stages


class PlainConv(nn.Module):
    """One convolution of a plain network: [max pool where it strides] - conv - [bn] - act. Keys: conv[, bn], act.

    The convolution has a bias where the factory makes no norms. width is not used. Even kernels: `padded` adds one
    row and column on each side, so that a padded convolution and one without keep the size together.
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
        kernel: int = 3,
        act: Act = prelu,
    ) -> None:
        super().__init__()
        strided = stride > 1 or t_stride > 1
        self.pool = nd.max_pool(stride, stride, t=t_stride, t_stride=t_stride, padding=0) if strided else nn.Identity()
        self.conv = nd.conv(c_in, c_out, kernel, t=t, dilation=dilation, bias=nd.norm_policy == "none")
        self.bn = nd.norm(c_out)
        self.act = act(c_out)
        self.context: nn.Module = nn.Identity()
        self.padded = False
        self.channels = c_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, c_in, [T,] H, W) -> (B, c_out, [T',] H', W')."""
        x = self.pool(x)
        if self.padded:
            x = F.pad(x, (1, 1, 1, 1))
        return self.context(self.act(self.bn(self.conv(x))))


def prelunet(
    nd: Nd,
    *,
    depths: Sequence[int] = (5, 5, 5),
    widths: Sequence[int] = (256, 512, 512),
    stem_width: int = 96,
    stem_stride: int = 2,
    kernel: int = 3,
    pools: Sequence[int] = (2, 2, 2),
    end_pool: int = 1,
    act: str = "prelu",
    pathway: Pathway = IMAGE,
) -> Trunk:
    """The trunk of a plain network (table 3): no shortcuts and, as published, no norms.

    He's initialisation counts the slope 0.25 in (equation 15); `nd.init` "xavier" is what the paper compares with.

    depths, widths: convolutions of each stage and their channels; pools: the side (and stride) of the max pool that
    each stage begins with. stem_width, stem_stride: of the 7x7. kernel: 3, or 2 as in table 1's small network.
    end_pool: a max pool behind the last stage. act: "prelu" (a slope a channel), "prelu_shared" (a layer) or "relu".
    """
    if not len(depths) == len(widths) == len(pools) <= 4:
        raise ValueError(
            f"depths {depths}, widths {widths} and pools {pools} need one number for each of 1 to 4 stages"
        )
    activation = find_act(act)
    nd = replace(nd, slope=0.25 if act.startswith("prelu") else 0.0)
    time = {"t": pathway.stem_t, "t_stride": pathway.stem_t_stride}
    biased = nd.norm_policy == "none"
    stem = Stem(nd, pathway.width(stem_width), stride=stem_stride, pool=False, act=activation, bias=biased, **time)
    channels = [pathway.width(w) for w in widths]
    block = partial(PlainConv, kernel=kernel, act=activation)
    body = stages(nd, block, depths, stem.channels, channels, channels, strides=pools, pathway=pathway)
    for conv in (conv for convs in body for conv in convs[::2]):
        conv.padded = kernel % 2 == 0
    end = nd.max_pool(end_pool, end_pool, padding=0) if end_pool > 1 else None
    strides = list(accumulate([stem.stride, *pools], mul))[1:]
    strides[-1] *= end_pool
    return Trunk(nd, stem, body, channels, strides=strides, pool_t=pathway.pool_t, end=end)


PAPER = "PReLU network (He et al. 2015, arXiv 1502.01852"
PLAIN = Nd(2, norm_policy="none", init="fan_in", slope=0.25)


def _large(name: str, depth: int, widths: tuple[int, ...]) -> Variant:
    doc = f"{PAPER}, table 3), model {name}, with spatial pyramid pooling."
    return Variant(prelunet, {"depths": (depth,) * 3, "widths": widths}, head=SppHead, nd=PLAIN, doc=doc)


def _small(layers: int) -> Variant:
    """The first stages of table 1; 16 more convolutions of 256 channels make 30 layers of 14 (section 2.2)."""
    settings = {"depths": (4, layers - 8), "widths": (128, 256), "stem_width": 64, "pools": (3, 2), "end_pool": 2}
    doc = f"{PAPER}, table 1), {layers} layers."
    return Variant(
        prelunet, {**settings, "kernel": 2}, head=SppHead, head_settings={"bins": (6, 3, 2, 1)}, nd=PLAIN, doc=doc
    )


VARIANTS = {
    "prelunet_a": _large("A", 5, (256, 512, 512)),
    "prelunet_b": _large("B", 6, (256, 512, 512)),
    "prelunet_c": _large("C", 6, (384, 768, 896)),
    "prelunet_14": _small(14),
    "prelunet_30": _small(30),
}
