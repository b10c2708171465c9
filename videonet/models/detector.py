"""Detectors of people: from a frame, uint8 RGB (H, W, 3), to boxes (n, 4) x1, y1, x2, y2 in pixels and scores (n,).

Any function of that kind will do. `torchvision_detector` makes one of a weight file of torchvision's detectors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from videonet.models.checkpoint import read_weights, state_of

Detector = Callable[[Tensor], tuple[Tensor, Tensor]]

PERSON = 1  # in the classes of COCO
COCO = 91
NETWORKS = (
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "retinanet_resnet50_fpn_v2",
    "retinanet_resnet50_fpn",
    "fcos_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)


def torchvision_detector(path: str | Path, device: torch.device | str = "cpu", *, least: float = 0.8) -> Detector:
    """The people that a network trained on COCO finds with a score of at least `least`; nothing is downloaded.

    path: a weight file of torchvision (such as fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth); its keys say of which
    network.
    """
    state = state_of(read_weights(path))
    model = built(network_of(path, state))
    model.load_state_dict(state)
    model.eval().to(device)

    @torch.no_grad()
    def detect(frame: Tensor) -> tuple[Tensor, Tensor]:
        found = model([frame.to(device).permute(2, 0, 1).float() / 255])[0]
        keep = (found["labels"] == PERSON) & (found["scores"] >= least)
        return found["boxes"][keep].cpu(), found["scores"][keep].cpu()

    return detect


def network_of(path: str | Path, state: dict[str, Tensor]) -> str:
    """The network that has these keys and shapes."""
    for name in NETWORKS:
        with torch.device("meta"):
            wanted = built(name).state_dict()
        if {key: value.shape for key, value in wanted.items()} == {key: value.shape for key, value in state.items()}:
            return name
    raise ValueError(f"{path} fits no detector of torchvision for COCO's {COCO} classes; known: {', '.join(NETWORKS)}")


def built(name: str) -> nn.Module:
    """A detection network of torchvision without weights."""
    return get_model(name, weights=None, weights_backbone=None, num_classes=COCO)
