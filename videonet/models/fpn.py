"""Feature Pyramid Network (Lin et al. 2017, arXiv 1612.03144), and torchvision's Faster R-CNN on it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from videonet.layers.nd import Nd

EXTRAS = {"none": 0, "pool": 1, "conv": 2}


class FeaturePyramid(nn.Module):
    """Maps of one width at every stride, each with what the coarser ones saw (section 3).

    Keys: lateral.i, output.i (i = 0 the finest) [, extra.i].

    A 1x1 convolution brings every map to `width` channels, the coarser one is enlarged to its size (nearest) and added,
    a 3x3 convolution follows; all with biases, without norms or activations. Images and clips alike.

    channels: of the backbone's maps, finest first. extra: coarser levels from the last one: "none", "pool" (one, every
    second position: for region proposals) or "conv" (two, 3x3 convolutions with stride 2, a ReLU between; Lin et al.
    2017, "Focal Loss", section 4).
    """

    def __init__(self, nd: Nd, channels: Sequence[int], width: int = 256, *, extra: str = "pool") -> None:
        super().__init__()
        if extra not in EXTRAS:
            raise ValueError(f"extra is {extra!r}; it must be one of {', '.join(EXTRAS)}")
        self.lateral = nn.ModuleList(nd.conv(c, width, 1, bias=True) for c in channels)
        self.output = nn.ModuleList(nd.conv(width, width, 3, bias=True) for _ in channels)
        self.extra = nn.ModuleList(nd.conv(width, width, 3, 2, bias=True) for _ in range(2 * (extra == "conv")))
        self.pool = nd.max_pool(1, 2, padding=0) if extra == "pool" else None
        self.width = width
        self.levels = len(channels) + EXTRAS[extra]
        for conv in (*self.lateral, *self.output, *self.extra):
            nn.init.kaiming_uniform_(conv.weight, a=1)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps (B, channels[i], [T,] H_i, W_i), finest first -> (B, width, ...) of the same sizes, and the extra."""
        if len(maps) != len(self.lateral):
            raise ValueError(f"the pyramid takes {len(self.lateral)} maps, and there are {len(maps)}")
        merged = [lateral(x) for lateral, x in zip(self.lateral, maps)]
        for i in range(len(merged) - 2, -1, -1):
            merged[i] = merged[i] + F.interpolate(merged[i + 1], size=merged[i].shape[2:], mode="nearest")
        levels = [output(x) for output, x in zip(self.output, merged)]
        if self.pool is not None:
            levels.append(self.pool(levels[-1]))
        for i, conv in enumerate(self.extra):
            levels.append(conv(F.relu(levels[-1]) if i else levels[-1]))
        return levels


class PyramidBackbone(nn.Module):
    """A backbone and a pyramid on it, as torchvision's detectors take them. Keys: backbone, fpn."""

    def __init__(self, backbone: nn.Module, fpn: FeaturePyramid) -> None:
        super().__init__()
        self.backbone = backbone
        self.fpn = fpn
        self.out_channels = fpn.width
        self.strides = [backbone.strides[0] * 2**i for i in range(fpn.levels)]
        self.strides[: len(backbone.strides)] = backbone.strides

    def forward(self, images: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """(B, 3, H, W) -> the levels by name, "0" the finest."""
        return OrderedDict((str(i), x) for i, x in enumerate(self.fpn(self.backbone(images))))


def faster_rcnn(
    backbone: nn.Module,
    num_classes: int,
    *,
    nd: Nd | None = None,
    width: int = 256,
    hidden: int = 1024,
    anchor_scale: float = 8,
    **settings: Any,
) -> FasterRCNN:
    """torchvision's Faster R-CNN with a pyramid on an image backbone of ours (section 4).

    backbone: any image network with `num_classes=None`. num_classes: of objects, labelled 1 ... num_classes in targets
    and results (0 is the background). nd: the factory of the pyramid. width: channels of its levels; hidden: of the two
    linear layers. anchor_scale: side of the anchors in strides of their level (8: 32 pixels at stride 4, doubling with
    the level). settings: of `torchvision.models.detection.FasterRCNN` (min_size, max_size, box_score_thresh ...).

    Raises:
        ValueError: a backbone for clips.
    """
    if backbone.dims != 2:
        raise ValueError("Faster R-CNN finds objects in images: build the backbone with Nd(2)")
    body = PyramidBackbone(backbone, FeaturePyramid(nd or Nd(2), backbone.channels, width))
    sizes = tuple((round(anchor_scale * stride),) for stride in body.strides)
    pool = MultiScaleRoIAlign([str(i) for i in range(len(backbone.channels))], output_size=7, sampling_ratio=2)
    return FasterRCNN(
        body,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        box_roi_pool=pool,
        box_head=TwoMLPHead(width * 49, hidden),
        box_predictor=FastRCNNPredictor(hidden, num_classes + 1),
        **settings,
    )
