"""Pre-activation: the identity runs through a stage, the shortcut is shared where the shape changes, wide nets drop."""

import image_cases as cases
import pytest
import torch
from torch import nn

from videonet.layers.nd import Nd
from videonet.models.image.preact import cifar_preact_resnet, preact_resnet
from videonet.models.image.resnext import cifar_resnext, resnext
from videonet.models.image.wide import cifar_wrn, wide_resnet
from videonet.models.preact_block import PreActBasic, PreActBottleneck

BLOCKS = [PreActBasic, PreActBottleneck]
DIMS = (2, 3)


def maps(dims: int, channels: int = 8) -> torch.Tensor:
    return torch.randn(2, channels, *(3, 9, 7)[3 - dims :], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("block", BLOCKS)
def test_a_zeroed_branch_is_the_identity_bit_for_bit(block, dims):
    one = block(Nd(dims, zero_init=True), 8, 4, 8)
    assert torch.equal(one(maps(dims)), maps(dims))
    negative = -maps(dims).abs()
    assert torch.equal(one(negative), negative), "something acts on the sum"


@pytest.mark.parametrize("block", BLOCKS)
def test_the_input_is_left_as_it_was_with_norms_and_without(block):
    for policy in ("batch", "group", "none"):
        x = maps(2)
        block(Nd(2, norm_policy=policy), 8, 4, 8)(x)
        assert torch.equal(x, maps(2)), policy


@pytest.mark.parametrize("block", BLOCKS)
def test_a_gradient_passes_a_stage_unchanged_beside_the_branches(block):
    stage = nn.Sequential(*(block(Nd(2, zero_init=True), 8, 4, 8) for _ in range(20)))
    x = maps(2).requires_grad_()
    stage(x).backward(maps(2))
    assert torch.equal(x.grad, maps(2))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("entry, shared", [("auto", True), ("shared", True), ("branch", False), ("plain", False)])
def test_the_shortcut_reads_what_the_entry_says(block, entry, shared):
    one = block(Nd(2, zero_init=True), 8, 4, 16, stride=2, entry=entry).eval()
    x = maps(2)
    seen = torch.relu(x / (1 + one.bn1.eps) ** 0.5) if shared else x
    torch.testing.assert_close(one(x), one.shortcut(seen))
    assert isinstance(one.shortcut, nn.Conv2d) and one.shortcut.bias is None
    assert isinstance(one.bn1, nn.Identity) == (entry == "plain")


@pytest.mark.parametrize("block", BLOCKS)
def test_auto_shares_only_where_the_shape_changes(block):
    nd = Nd(2)
    assert not block(nd, 8, 4, 8).shared
    assert block(nd, 8, 4, 16).shared and block(nd, 8, 4, 8, stride=2).shared


def test_the_first_block_leaves_the_norm_to_the_stem_and_the_end_has_one():
    backbone = preact_resnet(Nd(2), depth=18)
    assert isinstance(backbone.res2[0].bn1, nn.Identity) and not backbone.res2[1].shared
    assert all(getattr(backbone, f"res{i}")[0].shared for i in (3, 4, 5))
    found = backbone.eval()(cases.draw(1, 64))
    assert (found[-1] >= 0).all() and (found[0] < 0).any(), "only the last map is activated"


def test_a_cifar_net_of_basic_blocks_shares_in_every_stage():
    backbone = cifar_preact_resnet(Nd(2), depth=20, bottleneck=False, shortcut="A")
    assert [block.shared for stage in backbone.stages for block in stage] == [True, False, False] * 3


@pytest.mark.parametrize("stride_on, first, second", [("pointwise", 2, 1), ("spatial", 1, 2)])
def test_a_bottleneck_strides_where_told(stride_on, first, second):
    one = PreActBottleneck(Nd(2), 8, 4, 16, stride=2, stride_on=stride_on)
    assert (one.conv1.stride[0], one.conv2.stride[0]) == (first, second)


@pytest.mark.parametrize("time_at, conv", [("pointwise", "conv1"), ("spatial", "conv2")])
def test_time_enters_one_convolution(time_at, conv):
    one = PreActBottleneck(Nd(3), 8, 4, 16, t=3, t_stride=2, time_at=time_at)
    longer = [name for name, m in one.named_modules() if isinstance(m, nn.Conv3d) and m.kernel_size[0] > 1]
    assert longer == [conv]
    assert one(maps(3)).shape == (2, 16, 2, 9, 7)


def test_option_a_has_no_parameters_and_option_c_projects_everywhere():
    count = {
        option: sum(
            not isinstance(block.shortcut, nn.Identity) and bool([*block.shortcut.parameters()])
            for stage in cifar_preact_resnet(Nd(2), depth=20, bottleneck=False, shortcut=option).stages
            for block in stage
        )
        for option in "ABC"
    }
    assert count == {"A": 0, "B": 2, "C": 9}


def test_a_wide_net_drops_between_its_convolutions_and_only_in_training():
    backbone = cifar_wrn(Nd(2), depth=10, widen=1, dropout=0.5)
    block, x = backbone.res3[0], cases.draw(2, 32)
    into, out = [], []
    block.act2.register_forward_hook(lambda module, inputs, output: into.append(output.clone()))
    block.conv2.register_forward_pre_hook(lambda module, inputs: out.append(inputs[0]))
    backbone.train()(x)
    kept = out[0][into[0] > 0] > 0
    assert 0.45 < kept.float().mean() < 0.55
    torch.testing.assert_close(out[0][out[0] > 0], 2 * into[0][out[0] > 0])
    backbone.eval()(x)
    assert torch.equal(out[1], into[1])


def test_a_wide_net_projects_only_where_the_width_changes():
    assert isinstance(cifar_wrn(Nd(2), depth=10, widen=1).res2[0].shortcut, nn.Identity)
    assert isinstance(cifar_wrn(Nd(2), depth=10, widen=2).res2[0].shortcut, nn.Conv2d)


def test_a_wide_bottleneck_widens_only_its_3x3():
    with torch.device("meta"):
        plain, wide = wide_resnet(Nd(2), widen=1), wide_resnet(Nd(2), widen=2)
    assert wide.channels == plain.channels
    assert wide.res2[0].conv2.weight.shape[0] == 2 * plain.res2[0].conv2.weight.shape[0]
    with torch.device("meta"):
        assert wide_resnet(Nd(2), depth=18, widen=1.5).channels == [96, 192, 384, 768]


@pytest.mark.parametrize("preact", [False, True])
def test_a_grouped_3x3_mixes_only_its_group(preact):
    backbone = cifar_resnext(Nd(2), depth=11, groups=4, group_width=4, preact=preact)
    conv = backbone.res2[0].conv2
    assert (conv.groups, conv.weight.shape) == (4, (16, 4, 3, 3))
    x = torch.zeros(1, 16, 5, 5)
    x[:, :4] = 1
    assert conv(x)[:, :4].any() and not conv(x)[:, 4:].any()


def test_a_preactivated_resnext_has_the_convolutions_of_the_usual_one():
    with torch.device("meta"):
        usual, preact = resnext(Nd(2)), resnext(Nd(2), preact=True)
    weights = [sorted(tuple(p.shape) for p in net.parameters() if p.dim() == 4) for net in (usual, preact)]
    assert weights[0] == weights[1]
    assert (usual.end.__class__.__name__, preact.end.__class__.__name__) == ("Identity", "NormAct")


@pytest.mark.parametrize(
    "build, settings, message",
    [
        (preact_resnet, {"depth": 51}, "depth is 51"),
        (preact_resnet, {"shortcut": "D"}, "'D' is not one of a pre-activation net"),
        (cifar_preact_resnet, {"depth": 112}, "9n \\+ 2"),
        (cifar_preact_resnet, {"depth": 163, "bottleneck": False}, "6n \\+ 2"),
        (cifar_preact_resnet, {"stride_on": "3x3"}, "stride_on is '3x3'"),
        (resnext, {"depth": 18}, "50, 101, 152 or 200"),
        (resnext, {"groups": 0}, "0 groups of 4"),
        (cifar_resnext, {"depth": 28}, "9n \\+ 2"),
        (cifar_wrn, {"depth": 27}, "6n \\+ 4"),
    ],
)
def test_impossible_settings_are_explained(build, settings, message):
    with pytest.raises(ValueError, match=message):
        build(Nd(2), **settings)
