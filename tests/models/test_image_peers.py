"""Image networks against torchvision's and timm's: with the same weights, the same logits."""

import pytest
import torch
from image_cases import train_by_chance
from torch import nn

from videonet.models.image import VARIANTS
from videonet.models.names.table import Table
from videonet.models.weights import load_weights

QUICK = {"resnet18", "resnet50", "resnext50_32x4d", "densenet121", "se_resnet18", "se_resnet50", "se_resnext50_32x4d"}
TORCHVISION = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
]
TIMM = {f"se_resnet{depth}": f"legacy_seresnet{depth}" for depth in (18, 34, 50, 101, 152)} | {
    "se_resnext50_32x4d": "legacy_seresnext50_32x4d",
    "se_resnext101_32x4d": "legacy_seresnext101_32x4d",
    "senet154": "legacy_senet154",
    "resnet200": "resnet200",
    "resnext101_32x4d": "resnext101_32x4d",
    "res2net50_48w_2s": "res2net50_48w_2s",
    "res2net50_14w_8s": "res2net50_14w_8s",
    "res2net50_26w_6s": "res2net50_26w_6s",
    "res2net50_26w_8s": "res2net50_26w_8s",
    "res2net101_26w_4s": "res2net101_26w_4s",
    "res2net101_v1b_26w_4s": "res2net101d",
    "res2next_dla60": "dla60_res2next",
    "ghostnet_0.5x": "ghostnet_050",
    "ghostnet_1.3x": "ghostnet_130",
}
PREACT = (  # timm norms behind its max pool what the released code norms before: the same where scales are positive
    (r"^stages\.0\.blocks\.0\.norm1\.", "stem.bn."),
    (r"^stages\.(\d)\.blocks\.(\d+)\.", r"res<1+2>.\2."),
    (r"\.norm(\d)\.", r".bn\1."),
    (r"\.downsample\.conv\.", ".shortcut."),
    (r"^norm\.", "end.bn."),
    (r"^(?!head\.)", "backbone."),
)


def cases(rows: list) -> list:
    """Names, or pairs of names; the large networks only nightly."""
    names = [row if isinstance(row, str) else row[0] for row in rows]
    marks = [() if name in QUICK else pytest.mark.nightly for name in names]
    return [
        pytest.param(*((row,) if isinstance(row, str) else row), marks=mark, id=name)
        for row, mark, name in zip(rows, marks, names)
    ]


def check(name: str, peer: nn.Module, table: Table | None = None, **settings: int) -> None:
    """Random weights and statistics of the peer, renamed, give its logits."""
    train_by_chance(peer)
    model = VARIANTS[name](1000, **settings).eval()
    state = peer.state_dict()
    if table:
        state = {
            table.rename(key): value.flatten(1) if key == "head.fc.weight" else value for key, value in state.items()
        }
    load_weights(model, state)
    images = torch.randn(2, 3, 64 if "dla" in name else 77, 64)  # timm's DLA takes no odd sizes
    with torch.no_grad():
        found, wanted = model(images), peer(images)
    assert wanted.std() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * wanted.abs().max().item())


@pytest.mark.parametrize("name", cases(TORCHVISION))
def test_torchvision_gives_the_same_logits(name):
    models = pytest.importorskip("torchvision.models")
    check(name, getattr(models, name)())


@pytest.mark.parametrize("name, theirs", cases(list(TIMM.items())))
def test_timm_gives_the_same_logits(name, theirs):
    timm = pytest.importorskip("timm")
    check(name, timm.create_model(theirs))


def test_timms_newer_se_networks_are_resnexts_with_a_gate():
    timm = pytest.importorskip("timm")
    check("resnext50_32x4d", timm.create_model("seresnet50"), groups=1, group_width=64, se_ratio=16)


def test_timm_gives_the_same_logits_of_preactivation():
    timm = pytest.importorskip("timm")
    table = Table("timm", mark=r"^stages\.0\.blocks\.0\.norm1", rules=PREACT)
    check("preact_resnet50", timm.create_model("resnetv2_50"), table)
