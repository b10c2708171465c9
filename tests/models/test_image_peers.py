"""Image networks against torchvision's and timm's: with the same weights, the same logits."""

import pytest
import torch
from image_cases import train_by_chance
from image_peers import TABLES
from torch import nn

from videonet.models.image import VARIANTS

QUICK = {"resnet18", "resnet50", "resnext50_32x4d", "densenet121", "se_resnet18", "se_resnet50", "se_resnext50_32x4d"}
TORCHVISION = {
    "resnet": ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    + ["resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"],
    "densenet": ["densenet121", "densenet161", "densenet169", "densenet201"],
}
TIMM = {
    "legacy": {f"se_resnet{depth}": f"legacy_seresnet{depth}" for depth in (18, 34, 50, 101, 152)}
    | {f"se_resnext{depth}_32x4d": f"legacy_seresnext{depth}_32x4d" for depth in (50, 101)},
    "senet": {"senet154": "legacy_senet154"},
}


def cases(table: dict) -> list:
    """(kind, name[, the peer's name]); the large ones only nightly."""
    pairs = [(kind, n if isinstance(names, list) else (n, names[n])) for kind, names in table.items() for n in names]
    rows = [(kind, name) if isinstance(name, str) else (kind, *name) for kind, name in pairs]
    return [pytest.param(*row, marks=() if row[1] in QUICK else pytest.mark.nightly, id=row[1]) for row in rows]


def check(kind: str, name: str, peer: nn.Module) -> None:
    """Random weights and statistics of the peer, renamed, give its logits."""
    train_by_chance(peer)
    model = VARIANTS[name](1000).eval()
    state = {TABLES[kind].rename(key): value for key, value in peer.state_dict().items()}
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    model.load_state_dict({key: value.reshape(shapes.get(key, value.shape)) for key, value in state.items()})
    images = torch.randn(2, 3, 77, 64)
    with torch.no_grad():
        found, wanted = model(images), peer(images)
    assert wanted.std() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * wanted.abs().max().item())


@pytest.mark.parametrize("kind, name", cases(TORCHVISION))
def test_torchvision_gives_the_same_logits(kind, name):
    models = pytest.importorskip("torchvision.models")
    check(kind, name, getattr(models, name)())


@pytest.mark.parametrize("kind, name, theirs", cases(TIMM))
def test_timm_gives_the_same_logits(kind, name, theirs):
    timm = pytest.importorskip("timm")
    check(kind, name, timm.create_model(theirs))
