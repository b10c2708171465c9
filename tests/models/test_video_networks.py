"""Laws of the video networks: published sizes, every parameter trains, options compose."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.count import count_macs, count_params
from videonet.models.heads import Roi
from videonet.models.network import Network, last_channels
from videonet.models.video import FAMILIES, VARIANTS

CSN = [f"{kind}_csn_{depth}" for kind in ("ir", "ip") for depth in (50, 101, 152)]
R2PLUS1D = {
    "vmz_r2plus1d_34": "r2plus1d_34",
    "vmz_r2plus1d_152_nopool": "r2plus1d_152",
    "torchvision_r2plus1d_18": "r2plus1d_18",
    "mmaction2_r2plus1d_34": "r2plus1d_34_mmaction2",
}
X3D = {  # paper, table 4: parameters in millions, multiply-adds at the training crop in billions
    "x3d_xs": (3.76, 0.60),
    "x3d_s": (3.76, 1.96),
    "x3d_m": (3.76, 4.73),
    "x3d_l": (6.08, 18.37),
    "x3d_xl": (11.0, 35.84),
}
SMALL = {  # settings that make a small network of each family
    "c2d": {"depth": 18, "scale": 1 / 8},
    "csn": {"depth": 50, "scale": 1 / 16},
    "i3d": {"depth": 18, "scale": 1 / 8},
    "r2plus1d": {"scale": 1 / 8},
    "r3d": {"scale": 1 / 8},
    "slow": {"depth": 18, "scale": 1 / 8},
    "slowfast": {"depth": 18, "scale": 1 / 4},
    "video_resnet": {"depth": 18, "scale": 1 / 8, "t": (3, 3, 3, 3)},
    "x3d": {"width": 1.0, "depth": 1.0, "base_width": 8},
}


def small(family: str, classes: int | None = 5, **settings) -> nn.Module:
    torch.manual_seed(0)
    return FAMILIES[family](classes, **{**SMALL[family], **settings})


@pytest.mark.parametrize("name", CSN)
def test_csn_sizes_are_the_published_ones(shared: Path, name: str) -> None:
    figures = json.loads((shared / "golden" / "csn.json").read_text())[name]
    with torch.device("meta"):
        model = VARIANTS[name]()
    assert count_params(model) == figures["params"]
    assert sum(isinstance(m, nn.BatchNorm3d) and m.eps == 1e-3 for m in model.modules()) == figures["bn"]
    for size, macs in figures["gflops"].items():
        frames, side = map(int, size.split("x"))
        assert round(count_macs(model, (3, frames, side, side)).total / 1e9, 3) == pytest.approx(
            macs["conv_linear"], abs=2e-3
        )


@pytest.mark.parametrize("file, name", R2PLUS1D.items())
def test_r2plus1d_sizes_are_the_published_ones(shared: Path, file: str, name: str) -> None:
    figures = json.loads((shared / "golden" / "r2plus1d.json").read_text())[file]
    with torch.device("meta"):
        model = VARIANTS[name]()
    assert count_params(model) == figures["params"]
    for size, macs in figures["gflops"].items():
        frames, side = map(int, size.split("x"))
        assert round(count_macs(model, (3, frames, side, side)).total / 1e9, 3) == pytest.approx(macs[1], abs=1e-3)


@pytest.mark.parametrize("name", X3D)
def test_x3d_sizes_are_the_papers(name: str) -> None:
    params, macs = X3D[name]
    with torch.device("meta"):
        model = VARIANTS[name]()
    assert count_params(model) / 1e6 == pytest.approx(params, rel=0.015)
    assert count_macs(model, VARIANTS[name].input).total / 1e9 == pytest.approx(macs, rel=0.01)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_gets_a_gradient(family: str) -> None:
    model = small(family).train()
    for module in model.modules():  # norms that end a branch start at zero and would hide what is before them
        if isinstance(module, nn.BatchNorm3d):
            nn.init.ones_(module.weight)
    logits = model(torch.randn(2, 3, 8, 64, 64))
    assert logits.shape == (2, 5)
    nn.functional.cross_entropy(logits, torch.tensor([1, 3])).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


@pytest.mark.parametrize("family", FAMILIES)
def test_the_backbone_says_its_channels_and_strides(family: str) -> None:
    backbone = small(family, None).eval()
    maps = backbone(torch.zeros(1, 3, 8, 64, 96))
    for found, channels, stride in zip(maps, backbone.channels, backbone.strides, strict=True):
        paths = found if isinstance(found, list) else [found]
        assert [x.shape[1] for x in paths] == (channels if isinstance(channels, list) else [channels])
        assert all(x.shape[3:] == (64 // stride, 96 // stride) for x in paths)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in ("slowfast", "r2plus1d", "r3d")])
def test_the_image_form_has_the_clips_keys(family: str) -> None:
    settings = {**SMALL[family], **{k: v for k, v in FAMILIES[family].settings.items() if k == "depth"}}
    image = FAMILIES[family].build(Nd(2), **{k: v for k, v in settings.items() if k != "t"})
    assert list(image.state_dict()) == list(small(family, None).state_dict())
    assert image(torch.zeros(1, 3, 64, 64))[-1].shape[2:] == (2, 2)


@pytest.mark.parametrize("family", ["c2d", "csn", "i3d", "slow", "slowfast", "x3d"])
@pytest.mark.parametrize("aligned", [True, False])
def test_detection_looks_into_the_boxes(family: str, aligned: bool) -> None:
    backbone = small(family, None, output_stride=16)
    assert backbone.strides[-1] == 16
    model = Network(backbone, Roi(last_channels(backbone), 4, aligned=aligned), activation="sigmoid").eval()
    clip = torch.randn(2, 3, 8, 64, 64)
    boxes = torch.tensor([[0, 0, 0, 40, 40], [1, 0, 0, 40, 40], [0, 0, 0, 40, 40]]).float()
    with torch.no_grad():
        logits = model(clip, boxes)
        torch.testing.assert_close(logits[0], logits[2])
        torch.testing.assert_close(model(clip[1:], boxes[1:2] - torch.tensor([1, 0, 0, 0, 0])), logits[1:2])
        torch.testing.assert_close(model.scores(clip, boxes), logits.sigmoid())
        assert not torch.allclose(logits[0], logits[1])
        assert model(clip, boxes[:0]).shape == (0, 4)
    with pytest.raises(ValueError, match="takes boxes"):
        model(clip)
    with pytest.raises(ValueError, match="takes boxes"):
        model.scores(clip)


@pytest.mark.parametrize("family", ["c2d", "i3d", "slow", "slowfast", "video_resnet"])
def test_non_local_blocks_start_as_the_plain_network_and_add_keys_only(family: str) -> None:
    at = {"AT": [[], [1], [0, 1], []], "MODE": "dot_product", "POOL": [1, 2, 2]}
    plain, model = small(family).eval(), small(family, non_local=at).eval()
    extra = set(model.state_dict()) - set(plain.state_dict())
    assert set(plain.state_dict()) < set(model.state_dict()) and all(".context." in key for key in extra)
    assert {key.split(".context.")[0].split(".", 1)[1].removeprefix("slow.") for key in extra} == {
        "res3.1",
        "res4.0",
        "res4.1",
    }
    model.load_state_dict(plain.state_dict(), strict=False)
    clip = torch.randn(1, 3, 8, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(clip), plain(clip))


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"modus": "softmax"}, "non_local has no 'modus'; did you mean mode"),
        ({"at": [[1]]}, "must list res2, res3, res4 and res5"),
        ({"at": [[], [1], [], []], "mode": "x"}, "mode is 'x'"),
    ],
)
def test_wrong_non_local_settings_are_errors(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small("slow", non_local=settings)


def test_any_image_family_is_either_pathway() -> None:
    model = FAMILIES["slowfast"](5, family="resnet18", fast_family="resnext50_32x4d", scale=1 / 8).eval()
    assert model(torch.zeros(1, 3, 8, 64, 64)).shape == (1, 5)


@pytest.mark.parametrize("fast", ["shufflenet_g3_1.0x", "prelunet_14", "cifar_wrn16_4"])
def test_pathways_whose_maps_differ_in_size_are_refused_when_they_are_built(fast: str) -> None:
    with pytest.raises(ValueError, match=rf"resnet18 has maps at strides 4, 4, 8, 16, 32, {fast} at .*are equal"):
        FAMILIES["slowfast"](5, family="resnet18", fast_family=fast)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_norms_are_one_argument(norm: str) -> None:
    model = small("slowfast", norm=norm)
    kinds = {type(m) for m in model.modules() if "Norm" in type(m).__name__ and type(m).__name__ != "ConvNorm"}
    assert kinds == {nn.GroupNorm if norm == "group" else nn.BatchNorm3d}


def test_wrong_settings_name_the_way_out() -> None:
    for family, settings, words in (
        ("csn", {"depth": 18}, "50, 101"),
        ("csn", {"interactions": "ip"}, "reduced, preserved"),
        ("r3d", {"depth": 50}, "18 or 34"),
        ("r2plus1d", {"middle": "all"}, "block, conv, same"),
        ("slowfast", {"fusion": "cat"}, "concat, sum"),
    ):
        with pytest.raises(ValueError, match=words):
            small(family, **settings)
    with pytest.raises(ValueError, match="multiple of it"):
        small("slowfast")(torch.zeros(1, 3, 6, 32, 32))
