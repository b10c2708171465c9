"""Inflation: an inflated network sees a still clip as the image network sees the image, and says what it did."""

from collections import Counter
from dataclasses import replace

import image_cases as cases
import pytest
import torch

from videonet import inflate
from videonet.models.image import VARIANTS
from videonet.models.video.resnet3d import resnet3d
from videonet.models.video.slowfast import slowfast

I3D = {"stem_t": 5, "t": (3, (3, 1), (3, 1), (1, 3))}
EARLY = {"stem_t": 3, "t": (3, 1, 1, 1), "t_blocks": (1, 0, 0, 0)}  # two kernels of 3: the middle sees two frames away
FRAMES = 7


def pair(name: str, how: str, pathway: dict) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The narrow image backbone of that name, and its inflated form."""
    nd = VARIANTS[name].nd
    image = cases.train_by_chance(cases.narrow(name, nd))
    clip = cases.train_by_chance(cases.narrow(name, replace(nd, dims=3), **pathway), seed=1)
    report = inflate(image.state_dict(), clip, how)
    assert not report.skipped and not report.missing and not report.unused
    return image, clip


def still(image: torch.Tensor) -> torch.Tensor:
    return image.unsqueeze(2).repeat(1, 1, FRAMES, 1, 1)


@torch.no_grad()
def differences(image, clip, name: str, frames: slice) -> list[float]:
    """Per stage, the largest difference of the maps at these frames, relative to the image's largest value."""
    x = cases.draw(1, cases.image_size(name))
    maps = zip(image(x), clip(still(x)))
    return [((b[:, :, frames] - a.unsqueeze(2)).abs().max() / a.abs().max()).item() for a, b in maps]


@pytest.mark.parametrize("name", cases.kinds())
def test_a_still_clip_gives_the_maps_of_its_image_at_every_frame(name):
    image, clip = pair(name, "center", I3D)
    assert max(differences(image, clip, name, slice(None))) < 1e-4


@pytest.mark.parametrize("name", cases.kinds())
def test_mean_gives_them_away_from_the_ends(name):
    image, clip = pair(name, "mean", EARLY)
    x = still(cases.draw(1, cases.image_size(name)))
    changed = x.clone()
    changed[:, :, 0] = 0
    with torch.no_grad():
        coupled = [not torch.equal(a[:, :, -1], b[:, :, -1]) for a, b in zip(clip(x), clip(changed))]
    middle = differences(image, clip, name, slice(2, FRAMES - 2))
    assert all(d < 1e-4 for d, everywhere in zip(middle, coupled) if not everywhere)
    assert max(differences(image, clip, name, slice(0, 1))) > 1e-3
    assert not coupled[0] or any(word in name for word in ("se_", "senet", "sk", "ghost", "sda", "mobilenet"))


def test_every_key_is_accounted_for():
    image = VARIANTS["cifar_resnet20"](10)
    model = VARIANTS["cifar_resnet20"](7, nd=replace(VARIANTS["cifar_resnet20"].nd, dims=3))
    state = {**image.state_dict(), "other.weight": torch.zeros(1)}
    report = inflate(state, model)
    told = [*report.inflated, *report.copied, *report.skipped, *report.missing]
    assert Counter(told) == Counter([*model.state_dict()])
    assert report.unused == ("other.weight",)
    assert set(report.skipped) == {"head.fc.weight", "head.fc.bias"}
    assert report.skipped["head.fc.weight"] == "weight has shape (10, 64) in the image weights, (7, 64) here"
    assert set(report.inflated) == {key for key, value in model.state_dict().items() if value.dim() == 5}
    for key in report.inflated:
        assert torch.equal(model.state_dict()[key][:, :, 0], state[key])
    assert "unused: other.weight" in str(report)


def test_a_backbone_and_a_network_fill_each_other():
    backbone = VARIANTS["cifar_resnet20"](None)
    nd = replace(VARIANTS["cifar_resnet20"].nd, dims=3)
    network = VARIANTS["cifar_resnet20"](10, nd=nd)
    assert inflate(backbone.state_dict(), network).missing == ("head.fc.weight", "head.fc.bias")
    again = VARIANTS["cifar_resnet20"](None, nd=nd)
    report = inflate(VARIANTS["cifar_resnet20"](10).state_dict(), again)
    assert report.unused == ("head.fc.weight", "head.fc.bias")


def test_a_slowfast_is_filled_where_shapes_allow():
    image = VARIANTS["resnet18"](None)
    model = slowfast(family="resnet18")
    report = inflate(image.state_dict(), model)
    added = "slow.res2.0.shortcut."  # the laterals' channels make res2 project its input
    assert all(key.startswith(("lateral.", added)) for key in report.missing)
    assert all("shape" in reason for reason in report.skipped.values())
    slow = {key for key in report.skipped if key.startswith("slow.")}
    entries = {f"slow.res{i}.0.{layer}.weight" for i in (2, 3, 4, 5) for layer in ("conv1", "shortcut.conv")}
    assert slow == entries - {"slow.res2.0.shortcut.conv.weight"}
    assert not [key for key in (*report.inflated, *report.copied) if key.startswith("fast.")]


def test_a_layer_is_filled_whole_or_not_at_all():
    state = VARIANTS["resnet18"](None, norm="group").state_dict()
    model = resnet3d(family="resnet18")
    report = inflate(state, model)
    assert not report.copied
    assert report.skipped["stem.bn.weight"] == "the image weights have no stem.bn.running_mean"


def test_wrong_arguments_are_told_apart():
    model = resnet3d(family="resnet18")
    with pytest.raises(ValueError, match="how is 'centre'"):
        inflate(model.state_dict(), model, "centre")
    with pytest.raises(ValueError, match=r"names like layer1\.0\.conv1\.weight, the model like stem\.conv\.weight"):
        inflate({"layer1.0.conv1.weight": torch.zeros(1)}, model)
