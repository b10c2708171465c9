"""ShuffleNet v1: the shuffle is a permutation with an inverse, groups mix, and the published networks."""

from pathlib import Path

import pytest
import torch
from reference import build, check_counts, check_video, reference_shapes, shapes

from videonet.layers.nd import Nd
from videonet.layers.shuffle import ChannelShuffle, shuffle_channels
from videonet.models.count import count_macs
from videonet.models.image.shufflenet import VARIANTS, WIDTHS, ShuffleUnit
from videonet.models.network import Variant

ONE = VARIANTS["shufflenet_g3_1.0x"]


def fill_norms(module: torch.nn.Module) -> None:
    """Norms that are not the identity."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if "bn" in name and tensor.dim():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


@pytest.mark.parametrize("order", ["paper", "inverse"])
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6])
def test_the_shuffle_is_a_permutation_that_spreads_each_group_over_all(groups: int, order: str) -> None:
    x = torch.arange(24.0).reshape(1, 24, 1, 1, 1)
    y = shuffle_channels(x, groups, order).flatten().long()
    assert sorted(y.tolist()) == list(range(24))
    if 24 // groups % groups == 0:  # then each group of the next convolution takes an equal share of every group
        for part in (y // (24 // groups)).chunk(groups):
            assert torch.bincount(part, minlength=groups).unique().numel() == 1


@pytest.mark.parametrize("groups", [2, 3, 4, 6, 8])
def test_the_two_orders_are_inverses_and_differ(groups: int) -> None:
    x = torch.randn(2, 48, 3, 3)
    paper, inverse = ChannelShuffle(groups), ChannelShuffle(groups, "inverse")
    assert torch.equal(inverse(paper(x)), x) and torch.equal(paper(inverse(x)), x)
    assert not torch.equal(paper(x), inverse(x))
    n = 48 // groups
    assert all(torch.equal(paper(x)[:, j * groups + i], x[:, i * n + j]) for i in range(groups) for j in range(n))


@pytest.mark.parametrize("order", ["paper", "inverse"])
@pytest.mark.parametrize("shuffle_at", ["pointwise", "depthwise"])
def test_with_the_shuffle_each_output_depends_on_every_group(order: str, shuffle_at: str) -> None:
    unit = ShuffleUnit(Nd(2, init="fan_in"), 36, 9, 36, order=order, shuffle_at=shuffle_at).eval()
    x = torch.randn(1, 36, 5, 5, requires_grad=True)
    for group in unit.branch(x).chunk(3, 1):
        (gradient,) = torch.autograd.grad(group[:, 0].square().sum(), x, retain_graph=True)
        assert all(g.abs().sum() > 0 for g in gradient.chunk(3, 1))
    unit.shuffle1 = unit.shuffle2 = torch.nn.Identity()
    (gradient,) = torch.autograd.grad(unit.branch(x)[:, 0].square().sum(), x)
    assert [bool(g.abs().sum() > 0) for g in gradient.chunk(3, 1)] == [True, False, False]


def test_the_place_of_the_shuffle_folds_into_the_depthwise_weights() -> None:
    before = ShuffleUnit(Nd(2), 24, 12, 24, groups=3).eval()
    fill_norms(before)
    after = ShuffleUnit(Nd(2), 24, 12, 24, groups=3, shuffle_at="depthwise").eval()
    state = before.state_dict()
    for name, tensor in state.items():
        if name.startswith(("conv2", "bn2")) and tensor.dim():
            state[name] = shuffle_channels(tensor[None], 3, "inverse")[0]
    after.load_state_dict(state)
    x = torch.randn(2, 24, 6, 5)
    torch.testing.assert_close(after(x), before(x))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_striding_unit_joins_the_pooled_input_in_front(dims: int) -> None:
    unit = ShuffleUnit(Nd(dims), 12, 12, 48, stride=2, groups=3).eval()
    x = torch.rand(2, 12, *(2, 7, 5)[3 - dims :])
    y = unit(x)
    assert y.shape == (2, 48, *(2, 4, 3)[3 - dims :])
    torch.testing.assert_close(y[:, :12], unit.pool(x))
    torch.testing.assert_close(y[:, 12:], unit.branch(x).relu())


def test_a_unit_with_a_zeroed_branch_is_the_identity() -> None:
    unit = ShuffleUnit(Nd(2, zero_init=True), 24, 12, 24).eval()
    x = torch.rand(2, 24, 6, 5)
    assert torch.equal(unit(x), x)


def test_zero_initialisation_leaves_the_joined_branches_alive() -> None:
    unit = ShuffleUnit(Nd(2, zero_init=True), 24, 12, 48, stride=2)
    unit(torch.rand(2, 24, 6, 5)).sum().backward()
    assert unit.bn3.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", VARIANTS)
def test_the_published_counts(shared: Path, name: str) -> None:
    check_counts(shared, build(VARIANTS[name]), f"translit:{name.replace('_', '_v1_', 1)}")


@pytest.mark.parametrize("groups", [3, 8])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5, 2.0])
def test_the_authors_networks(shared: Path, groups: int, scale: float) -> None:
    key = f"megvii:shufflenet_v1_g{groups}_{scale}x"
    unbiased = Variant(ONE.build, head_settings={"dropout": 0.0, "bias": False})
    model = build(unbiased, groups=groups, scale=scale, stem=48 if scale == 2 else 0)
    check_counts(shared, model, key)
    assert shapes(model) == reference_shapes(shared, key)


@pytest.mark.parametrize(("groups", "scale"), [(1, 0.25), (1, 0.5), (1, 1.5), (3, 0.25), (3, 0.5), (3, 1.5), (8, 1.5)])
def test_other_widths_and_stems(shared: Path, groups: int, scale: float) -> None:
    check_counts(shared, build(ONE, groups=groups, scale=scale, stem=24), f"translit:shufflenet_v1_g{groups}_{scale}x")


def test_the_shallow_network_has_half_of_the_units(shared: Path) -> None:
    model = build(ONE, scale=0.5, stem=24, depths=(2, 4, 2))
    check_counts(shared, model, "translit:shufflenet_v1_g3_0.5x_shallow26")


@pytest.mark.parametrize("groups", WIDTHS)
@pytest.mark.parametrize(("scale", "mflops"), [(0.25, 13), (0.5, 38)])
def test_small_widths_cost_what_the_paper_says(groups: int, scale: float, mflops: int) -> None:
    model = build(ONE, groups=groups, scale=scale)
    assert count_macs(model, (3, 224, 224)).total / 1e6 == pytest.approx(mflops, rel=0.08)


@pytest.mark.parametrize("name", ["shufflenet_g3_1.0x", "shufflenet_g8_1.0x"])
def test_laterals_may_bring_channels_that_the_groups_do_not_divide(name: str) -> None:
    check_video(name, VARIANTS[name])


def test_squeeze_and_excitation_adds_a_gate_and_renumbers_nothing() -> None:
    plain, gated = (set(build(ONE, se=se).state_dict()) for se in (False, True))
    assert plain < gated and all(".gate." in key for key in gated - plain)


def test_mistakes_name_the_rule() -> None:
    with pytest.raises(ValueError, match="groups is 5; a ShuffleNet has 1, 2, 3, 4, 8"):
        ONE(groups=5)
    with pytest.raises(ValueError, match="shuffle order is 'megvii'; it must be one of paper, inverse"):
        ONE(order="megvii")
    with pytest.raises(ValueError, match="5 groups do not divide 12 channels"):
        shuffle_channels(torch.zeros(1, 12), 5)
    with pytest.raises(ValueError, match="joins its 24 input channels: 24 outputs are too few"):
        ShuffleUnit(Nd(2), 24, 6, 24, stride=2)
