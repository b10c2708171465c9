"""Against installed peers with random weights of their own: after renaming, the outputs are equal."""

import pytest
import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.heads import Roi
from videonet.models.image import VARIANTS as IMAGE_NETWORKS
from videonet.models.network import Network, last_channels
from videonet.models.video import VARIANTS
from videonet.models.weights import load_weights

EPS = Nd(3, bn_eps=1e-5)
HUB = [  # hub name, ours, its settings here, frames
    ("c2d_r50", "c2d_8x8_r50", {}, 8),
    ("i3d_r50", "i3d_8x8_r50", {}, 8),
    ("slow_r50", "slow_8x8_r50", {}, 4),
    ("slowfast_r50", "slowfast_8x8_r50", {}, 8),
    ("csn_r101", "ir_csn_101", {"nd": EPS}, 8),
    ("r2plus1d_r50", "r2plus1d_50", {}, 8),
    ("x3d_m", "x3d_m", {"bare_shortcut": True}, 4),
    ("efficient_x3d_xs", "x3d_xs", {}, 4),
]
DETECTION = [("slow_r50_detection", "slow_4x16_r50"), ("slowfast_r50_detection", "slowfast_8x8_r50")]
IMAGES = {  # timm's name, ours
    "skresnext50_32x4d": "sknet50",
    "res2net50_26w_4s": "res2net50_26w_4s",
    "res2net50d": "res2net50_v1b_26w_4s",
    "res2next50": "res2next50",
    "dla60_res2net": "res2net_dla60",
    "ghostnet_100": "ghostnet_1.0x",
}
TORCHVISION = ["r2plus1d_18", "r3d_18", "mc3_18"]


def randomise(model: nn.Module) -> nn.Module:
    """Norms and the last layer as after training: fresh ones would hide a norm in the wrong place."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05)
    return model.eval()


def open_head(peer: nn.Module) -> None:
    """Logits for a clip of any size: global means in place of pools of the published crop, no softmax."""
    head, before = peer.blocks[-1], peer.blocks[-2]
    head.activation = None
    if isinstance(getattr(before, "pool", None), nn.ModuleList):
        before.pool = nn.ModuleList(nn.AdaptiveAvgPool3d(1) for _ in before.pool)
    elif hasattr(head.pool, "post_conv"):
        head.pool.pool = nn.AdaptiveAvgPool3d(1)
    else:
        head.pool = nn.AdaptiveAvgPool3d(1)


def assert_equal(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * wanted.abs().max().item())


@pytest.mark.parametrize("name, ours, settings, frames", HUB, ids=[h[0] for h in HUB])
def test_pytorchvideo_networks_give_their_outputs_here(name: str, ours: str, settings: dict, frames: int) -> None:
    hub = pytest.importorskip("pytorchvideo.models.hub")
    torch.manual_seed(0)
    peer = randomise(getattr(hub, name)())
    if hasattr(peer, "blocks"):
        open_head(peer)
    model = VARIANTS[ours](**settings).eval()
    report = load_weights(model, {"model_state": peer.state_dict()})
    assert report.source == "pytorchvideo" and not report.problems()
    side = 160 if name.startswith("efficient") else 64  # its pool cannot be opened
    clip = torch.randn(1, 3, frames, side, side)
    with torch.no_grad():
        slow = model.backbone.slow_frames(clip) if name.startswith("slowfast") else None
        assert_equal(model(clip), peer(clip if slow is None else [slow, clip]))


@pytest.mark.parametrize("name, ours", DETECTION)
def test_pytorchvideo_detection_networks_give_their_outputs_here(name: str, ours: str) -> None:
    hub = pytest.importorskip("pytorchvideo.models.hub")
    torch.manual_seed(0)
    peer = randomise(getattr(hub, name)())
    peer.detection_head.activation = None
    backbone = VARIANTS[ours].backbone(output_stride=16)
    model = Network(backbone, Roi(last_channels(backbone), 80, aligned=False), activation="sigmoid").eval()
    report = load_weights(model, peer.state_dict())
    assert not report.problems() and "half pixel" in report.note
    frames = 32 if name.startswith("slowfast") else 4
    clip = torch.randn(1, 3, frames, 112, 112)
    boxes = torch.tensor([[0, 3.0, 8.0, 70.0, 100.0], [0, 40.0, 2.0, 99.0, 51.0]])
    with torch.no_grad():
        wanted = peer([model.backbone.slow_frames(clip), clip] if frames == 32 else clip, boxes)
        assert_equal(model(clip, boxes), wanted)


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_networks_give_their_outputs_here(name: str) -> None:
    video = pytest.importorskip("torchvision.models.video")
    torch.manual_seed(0)
    peer = randomise(getattr(video, name)())
    model = VARIANTS[name]().eval()
    assert not load_weights(model, peer.state_dict()).problems()
    clip = torch.randn(1, 3, 8, 56, 56)
    with torch.no_grad():
        assert_equal(model(clip), peer(clip))


@pytest.mark.parametrize("name, ours", IMAGES.items())
def test_timm_image_networks_give_their_outputs_here(name: str, ours: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    peer = randomise(timm.create_model(name))
    model = IMAGE_NETWORKS[ours]().eval()
    load_weights(model, peer.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert_equal(model(images), peer(images))
