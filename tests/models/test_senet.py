"""SENet: a gate is one number a channel, it stands where told, and the stems round up."""

import image_cases as cases
import pytest
import torch
from torch import nn

from videonet.layers.gate import SqueezeExcite, squeeze_excite
from videonet.layers.nd import Nd
from videonet.models.count import count_params
from videonet.models.image import VARIANTS
from videonet.models.image.senet import POSITIONS, PlacedBasic, PlacedBottleneck, se_resnet, senet


def maps(dims: int = 2, channels: int = 8) -> torch.Tensor:
    return torch.randn(2, channels, *(3, 9, 7)[3 - dims :], generator=torch.Generator().manual_seed(1))


def hold(gate: nn.Module, bias: float) -> None:
    """Make the gate a constant: sigmoid(bias) on every channel."""
    nn.init.zeros_(gate.fc2.weight)
    nn.init.constant_(gate.fc2.bias, bias)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_gate_is_constant_over_space_and_time_and_between_0_and_1(dims):
    gate, x = SqueezeExcite(8, 4), maps(dims)
    ratio = (gate(x) / x).flatten(2)
    assert ((ratio > 0) & (ratio < 1)).all()
    torch.testing.assert_close(ratio, ratio[:, :, :1].expand_as(ratio))
    assert ratio[:, :, 0].std() > 0


def test_a_gate_does_not_care_where_things_are():
    gate, x = SqueezeExcite(8, 4), maps()
    torch.testing.assert_close(gate(x.flip(2)), gate(x).flip(2))


@pytest.mark.parametrize("block", [PlacedBasic, PlacedBottleneck])
@pytest.mark.parametrize("position", POSITIONS[1:])
def test_a_shut_gate_stops_what_stands_behind_it(block, position):
    if block is PlacedBasic and position == "3x3":
        pytest.skip("a basic block has no middle 3x3")
    one = block(Nd(2), 8, 4, 8, gate=squeeze_excite(2), position=position).eval()
    x, gate = maps(), one.gate2 if position == "3x3" else one.gate
    hold(gate, 100)
    branch = one.branch(x)
    torch.testing.assert_close(one(x), torch.relu(branch + x))
    hold(gate, -100)
    shut = {
        "pre": torch.relu(one.branch(torch.zeros_like(x)) + x),
        "post": torch.zeros_like(x),
        "identity": torch.relu(branch),
        "3x3": torch.relu(x),
    }
    torch.testing.assert_close(one(x), shut[position])


@pytest.mark.parametrize("position, millions", [*zip(POSITIONS, (28.1, 27.6, 28.1, 28.1, 25.7))])
def test_a_position_costs_what_its_width_says(position, millions):
    with torch.device("meta"):
        net = VARIANTS["se_resnet50"](position=position)
    assert sum(isinstance(m, SqueezeExcite) for m in net.modules()) == 16
    assert count_params(net) / 1e6 == pytest.approx(millions, abs=0.06)


def test_the_stem_rounds_up_without_padding():
    backbone = se_resnet(Nd(2), depth=18)
    assert (backbone.stem.pool.padding, backbone.stem.pool.ceil_mode) == (0, True)
    assert [x.shape[2] for x in backbone(cases.draw(1, 90))] == [22, 11, 6, 3]


def test_senet_154_has_154_layers_and_3x3_shortcuts_where_it_strides():
    with torch.device("meta"):
        backbone = senet(Nd(2))
    convs = [name for name, m in backbone.named_modules() if isinstance(m, nn.Conv2d) and "shortcut" not in name]
    assert len(convs) + 1 == 154
    assert [getattr(backbone, f"res{i}")[0].shortcut.conv.kernel_size[0] for i in (2, 3, 4, 5)] == [1, 3, 3, 3]
    for stage in backbone.stages:
        assert stage[0].conv1.out_channels * 2 == stage[0].conv2.out_channels
        assert stage[0].conv2.groups == 64


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"position": "after"}, "position is 'after'"),
        ({"depth": 18, "position": "3x3"}, "depths 18 and 34 have none"),
        ({"depth": 34, "groups": 32}, "50 layers or more"),
    ],
)
def test_impossible_settings_are_explained(settings, message):
    with pytest.raises(ValueError, match=message):
        se_resnet(Nd(2), **settings)
    with pytest.raises(ValueError, match="52, 103, 154"):
        senet(Nd(2), depth=50)
