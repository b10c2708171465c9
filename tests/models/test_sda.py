"""SDA-xNet: the depth's weights sum to one, choose, and reach every block; and the published networks."""

from functools import partial
from pathlib import Path

import pytest
import torch
from reference import build, check_counts, reference_shapes, shapes

from videonet.layers.depth_attention import DepthAttention
from videonet.layers.nd import Nd
from videonet.layers.pyramid_conv import PyramidConv
from videonet.models.blocks import Basic
from videonet.models.heads import Classify, Normalised
from videonet.models.image.sda import VARIANTS, DepthStage, sda
from videonet.models.network import Variant
from videonet.models.trunk import stage

PLAIN = Variant(sda, head_settings={"dropout": 0.0})


def small(dims: int = 2, depth: int = 3, policy: str = "batch") -> DepthStage:
    torch.manual_seed(0)
    nd = Nd(dims, norm_policy=policy)
    row = stage(nd, Basic, 1, depth, 4, 8, 8)
    return DepthStage(list(row), DepthAttention(nd, 8, depth, least=4))


def maps(dims: int = 2, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 4, *(2, 9, 7)[3 - dims :], generator=torch.Generator().manual_seed(1))


def sums_of(row: DepthStage, x: torch.Tensor) -> list[torch.Tensor]:
    """The residual sums of the blocks, each block reading the activated sum before it."""
    sums = []
    for block in row.blocks:
        sums.append(block.residual_sum(x))
        x = sums[-1].relu()
    return sums


def choose(row: DepthStage, chosen: int | None) -> None:
    """Make the attention take one block everywhere, or all equally."""
    for i, linear in enumerate(row.attention.select):
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.constant_(linear.bias, 0 if chosen is None else 1e6 * (i == chosen))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_weights_sum_to_one_over_the_depth_and_differ_between_samples(dims: int, depth: int) -> None:
    row = small(dims, depth)
    weights = row.attention.weights(sums_of(row, maps(dims)))
    assert weights.shape == (3, depth, 8)
    torch.testing.assert_close(weights.sum(1), torch.ones(3, 8))
    if depth > 1:
        assert (weights[0] - weights[1]).abs().max() > 1e-3


@pytest.mark.parametrize("dims", [2, 3])
def test_equal_logits_give_the_mean_of_the_sums(dims: int) -> None:
    row = small(dims).eval()
    choose(row, None)
    mean = sum(sums_of(row, maps(dims))) / 3
    torch.testing.assert_close(row(maps(dims)), mean.relu())


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_a_block_that_wins_everywhere_is_the_output(chosen: int) -> None:
    row = small().eval()
    choose(row, chosen)
    torch.testing.assert_close(row(maps()), sums_of(row, maps())[chosen].relu())


def test_the_last_block_chosen_everywhere_is_the_plain_network() -> None:
    attentive = VARIANTS["sda_resnet50"](None, depth=18).eval()
    plain = PLAIN(None, depth=18, attention=False).eval()
    plain.load_state_dict({k: v for k, v in attentive.state_dict().items() if ".attention." not in k})
    for row in attentive.stages:
        choose(row, row.depth - 1)
    image = torch.randn(1, 3, 40, 33)
    for ours, theirs in zip(attentive(image), plain(image)):
        torch.testing.assert_close(ours, theirs)


def test_the_gradient_reaches_every_block_by_the_attention_alone() -> None:
    row = small()
    sums = [z.detach().requires_grad_() for z in sums_of(row, maps())]
    row.attention(sums).square().sum().backward()
    assert all(z.grad.abs().sum() > 0 for z in sums)


def test_no_activation_overwrites_a_sum() -> None:
    row = small().eval()
    read = []
    row.attention.register_forward_hook(lambda module, inputs, output: read.extend(inputs[0]))
    row(maps())
    assert all(z.min() < 0 for z in read)
    for z, wanted in zip(read, sums_of(row, maps())):
        torch.testing.assert_close(z, wanted)


def test_the_context_of_a_block_is_read_by_the_next_and_the_last_one_ends_the_stage() -> None:
    row = small().eval()
    plain = row(maps())
    row.blocks[-1].context = torch.nn.Hardtanh(-1, 0.1)
    torch.testing.assert_close(row(maps()), plain.clamp(-1, 0.1))
    row.blocks[0].context = torch.nn.Hardtanh(-1, 0.1)
    assert not torch.allclose(row(maps()), plain.clamp(-1, 0.1))


def test_a_batch_of_one_tests_but_does_not_train_and_says_what_to_do() -> None:
    assert small().eval()(maps(batch=1)).shape == (1, 8, 5, 4)
    with pytest.raises(ValueError, match="a batch of 1 cannot train.*norm='group'"):
        small().train()(maps(batch=1))
    small(policy="group").train()(maps(batch=1)).sum().backward()


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_the_head_normalises_as_the_network_does(norm: str) -> None:
    model = build(VARIANTS["sda_resnet50"], depth=18, norm=norm)
    kinds = {"batch": torch.nn.BatchNorm1d, "group": torch.nn.GroupNorm, "none": torch.nn.Identity}
    assert isinstance(model.head.bn, kinds[norm])


def test_the_head_norm_is_affine_in_a_test() -> None:
    torch.manual_seed(0)
    head = Normalised([6], 5).eval()
    for tensor in (head.bn.weight.data, head.bn.bias.data, head.bn.running_mean, head.bn.running_var):
        tensor.uniform_(0.5, 1.5)
    x = torch.randn(2, 6, 4, 9, 8)
    assert head.dense([x], 3).shape == (2, 7 * 6, 5)
    torch.testing.assert_close(head.dense([x], 9).mean(1), head([x]))
    plain = Classify([6], 5, dropout=0).eval()
    scale = head.bn.weight / (head.bn.running_var + head.bn.eps).sqrt()
    plain.fc.weight.data = head.fc.weight * scale
    plain.fc.bias.data = head.fc.bias + head.fc.weight @ (head.bn.bias - head.bn.running_mean * scale)
    torch.testing.assert_close(head([x]), plain([x]))


def test_a_pyramid_is_its_levels_beside_each_other() -> None:
    torch.manual_seed(0)
    mix = PyramidConv(Nd(2), 16, stride=2).eval()
    x = torch.randn(2, 16, 9, 7)
    assert [conv.kernel_size[0] for conv in mix.convs] == [3, 5, 7, 9]
    parts = mix.bn(torch.cat([conv(x) for conv in mix.convs], 1)).relu()
    assert torch.equal(mix(x), parts) and parts.shape == (2, 16, 5, 4)
    assert mix.convs[3].groups == 4  # 16 groups do not divide the 4 channels of this level


@pytest.mark.parametrize("name", VARIANTS)
def test_the_published_networks(shared: Path, name: str) -> None:
    key = "sda_ref_g32:sda_resnet86_groups32" if name == "sda_resnext86_32g" else f"sda_ref:{name}"
    model = build(VARIANTS[name])
    check_counts(shared, model, key)
    if name != "sda_resnext86_32g":
        assert shapes(model) == reference_shapes(shared, key)


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("sda_ref:sda_resnet152", {"depth": 152}),
        ("sda_ref_g1:sda_resnet86_groups1", {"groups": 1}),
        ("sda_ref:sda_senet101", {"kind": "senet", "depth": 101}),
        ("sda_ref:sda_res2net50_26w_4s", {"kind": "res2net", "depth": 50}),
    ],
)
def test_other_depths_and_groups(shared: Path, key: str, settings: dict) -> None:
    check_counts(shared, build(VARIANTS["sda_resnet86"], **settings), key)


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("resnet86_baseline_g1", {"groups": 1}),
        ("senet86_baseline", {"kind": "senet"}),
        ("res2net86_26w_4s_baseline", {"kind": "res2net"}),
        ("pyconv86_baseline", {"kind": "pyconv"}),
    ],
)
def test_the_plain_networks(shared: Path, key: str, settings: dict) -> None:
    check_counts(shared, build(PLAIN, attention=False, **settings), f"sda_ref:{key}")


@pytest.mark.parametrize("depth", [18, 34])
def test_basic_blocks_attend_as_well(depth: int) -> None:
    model = build(VARIANTS["sda_resnet50"], None, depth=depth)
    assert model.channels == [64, 128, 256, 512]
    assert sum(".attention." in key for key in model.state_dict()) == 4 * 6 + 2 * sum(s.depth for s in model.stages)


def test_mistakes_name_the_rule() -> None:
    make = partial(sda, Nd(2))
    with pytest.raises(ValueError, match="depth is 49; an SDA network has one of 18, 34, 50, 86"):
        make(depth=49)
    with pytest.raises(ValueError, match="kind is 'densenet'; it must be one of resnet, resnext, senet"):
        make(kind="densenet")
    with pytest.raises(ValueError, match="depth is 18: that has basic blocks, which a pyconv has not"):
        make(kind="pyconv", depth=18)
