"""Counting: known layers, nothing touched, attention apart, pathways by stage."""

import pytest
import torch
from torch import nn

from videonet.models.count import count_macs, count_params
from videonet.models.image import VARIANTS
from videonet.models.video.slowfast import slowfast


class Attention(nn.Module):
    """One linear layer and one product of maps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc(x)
        return x @ x.transpose(1, 2)


@pytest.mark.parametrize("groups, bias", [(1, False), (4, True)])
def test_a_convolution_is_counted_by_its_groups_and_without_its_bias(groups, bias):
    conv = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1, groups=groups, bias=bias))
    macs = count_macs(conv, (8, 10, 6))
    assert (macs.total, macs.matmul, macs.stages) == (16 * 8 // groups * 9 * 5 * 3, 0, {"0": macs.total})
    assert count_params(conv) == 16 * 8 // groups * 9 + 16 * bias


def test_products_of_maps_are_counted_apart():
    macs = count_macs(Attention(), (5, 8))
    assert (macs.total, macs.matmul) == (5 * 8 * 8, 5 * 5 * 8)


def test_a_model_is_left_as_it_was():
    model = VARIANTS["cifar_resnet20"]().train()
    model.backbone.res2.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first = count_macs(model, (3, 32, 32))
    assert model.training and not model.backbone.res2[0].training and model.head.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert next(model.parameters()).device.type == "cpu"
    with torch.device("meta"):
        assert count_macs(VARIANTS["cifar_resnet20"](), (3, 32, 32)) == first


def test_a_slowfast_is_listed_by_the_stages_of_its_pathways():
    with torch.device("meta"):
        macs = count_macs(slowfast(family="resnet18"), (3, 8, 64, 64))
    stages = ("stem", "res2", "res3", "res4", "res5")
    assert {*macs.stages} == {f"{path}.{s}" for path in ("slow", "fast") for s in stages} | {
        f"lateral.{i}" for i in range(4)
    }
    assert sum(macs.stages.values()) == macs.total
