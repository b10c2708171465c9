"""Res2Net: the hierarchy of the parts, the two kinds of block, and the published networks."""

from pathlib import Path

import pytest
import torch
from reference import build, check_counts, reference_shapes, shapes

from videonet.layers.hierarchical_split import HierarchicalSplit
from videonet.layers.nd import Nd
from videonet.models.count import count_params
from videonet.models.image.res2net import VARIANTS, cifar_res2net

CIFAR = VARIANTS["cifar_res2next29_6c_24w_4s"]
REFERENCES = {
    **{name: f"res2net_ref:{name}" for name in VARIANTS if not name.startswith("cifar")},
    "res2net50_v1b_26w_4s": "res2net_ref:res2net50_v1b",
    "res2net101_v1b_26w_4s": "res2net_ref:res2net101_v1b",
    **{name: f"translit:{name}" for name in ("res2net152_26w_4s", "res2net50_18w_4s", "se_res2net50_26w_4s")},
}
WITHOUT_STATE = ("res2net152_26w_4s", "res2net50_18w_4s", "se_res2net50_26w_4s")


def split(dims: int = 2, **settings: object) -> HierarchicalSplit:
    torch.manual_seed(0)
    return HierarchicalSplit(Nd(dims), 12, **settings).eval()


def dependencies(mix: HierarchicalSplit, scale: int, dims: int = 2) -> list[list[int]]:
    """For each part of the output, the parts of the input that it depends on."""
    x = torch.randn(1, 12, *(2, 6, 6)[3 - dims :], requires_grad=True)
    found = []
    for part in mix(x).chunk(scale, 1):
        (gradient,) = torch.autograd.grad(part.square().sum(), x, retain_graph=True)
        found.append([i for i, g in enumerate(gradient.chunk(scale, 1)) if g.abs().sum() > 0])
    return found


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("scale", [2, 3, 4, 6])
def test_part_i_depends_on_the_parts_up_to_i_and_the_last_passes(dims: int, scale: int) -> None:
    expected = [list(range(i + 1)) for i in range(scale - 1)] + [[scale - 1]]
    assert dependencies(split(dims, scale=scale), scale, dims) == expected


@pytest.mark.parametrize("pooled", [True, False])
def test_in_the_first_block_of_a_stage_each_part_is_on_its_own(pooled: bool) -> None:
    mix = split(first=True, pooled=pooled, stride=2)
    assert dependencies(mix, 4) == [[0], [1], [2], [3]]
    assert len(mix.convs) == (3 if pooled else 4)


def test_the_last_part_passes_unchanged_or_pooled() -> None:
    x = torch.randn(2, 12, 7, 5)
    assert torch.equal(split()(x)[:, 9:], x[:, 9:])
    pooled = torch.nn.functional.avg_pool2d(x[:, 9:], 3, 2, 1)
    torch.testing.assert_close(split(first=True, stride=2)(x)[:, 9:], pooled)


def test_the_receptive_field_grows_from_part_to_part() -> None:
    mix = split()
    x = torch.ones(1, 12, 13, 13, requires_grad=True)
    for conv in mix.convs:
        torch.nn.init.constant_(conv.conv.weight, 1)
    extents = []
    for part in mix(x).chunk(4, 1):
        (gradient,) = torch.autograd.grad(part[0, :, 6, 6].sum(), x, retain_graph=True)
        extents.append(int((gradient.abs().sum((0, 1, 3)) > 0).sum()))
    assert extents == [3, 5, 7, 1]


def test_one_part_is_a_plain_convolution() -> None:
    mix = split(scale=1)
    x = torch.randn(2, 12, 5, 5)
    assert torch.equal(mix(x), mix.convs[0](x))


def test_mistakes_name_the_rule() -> None:
    with pytest.raises(ValueError, match="12 channels do not split into 5 equal parts"):
        split(scale=5)
    with pytest.raises(ValueError, match="stride 2 must be the first of its stage"):
        split(stride=2)
    with pytest.raises(ValueError, match="depth is 30; a CIFAR Res2NeXt has 9n"):
        cifar_res2net(Nd(2), depth=30)


@pytest.mark.parametrize("name", REFERENCES)
def test_the_published_networks(shared: Path, name: str) -> None:
    model = build(VARIANTS[name])
    check_counts(shared, model, REFERENCES[name])
    if name not in WITHOUT_STATE:
        assert shapes(model) == reference_shapes(shared, REFERENCES[name])


@pytest.mark.parametrize(("groups", "part", "scale"), [(6, 24, 4), (8, 25, 4), (6, 24, 6)])
@pytest.mark.parametrize("se", [False, True])
def test_the_cifar_networks(shared: Path, groups: int, part: int, scale: int, se: bool) -> None:
    key = f"translit:res2next29_{groups}cx{part}wx{scale}s_{'se_' if se else ''}cifar100"
    check_counts(shared, build(CIFAR, 100, groups=groups, part=part, scale=scale, se=se, pooled=True), key, (3, 32, 32))


@pytest.mark.parametrize(("settings", "millions"), [((6, 24, 4), 24.27), ((8, 25, 4), 33.81), ((6, 24, 6), 36.71)])
def test_the_paper_has_the_last_part_of_a_first_block_convolved(
    settings: tuple[int, int, int], millions: float
) -> None:
    groups, part, scale = settings
    model = build(CIFAR, 10, groups=groups, part=part, scale=scale)
    assert round(count_params(model) / 1e6, 2) == millions


def test_time_may_enter_the_parts() -> None:
    keys = list(build(VARIANTS["res2net50_26w_4s"], None).state_dict())
    assert list(build(VARIANTS["res2net50_26w_4s"], None, nd=Nd(3), time_at="spatial").state_dict()) == keys
    mix = split(3, first=True, t=3, t_stride=2)
    assert mix(torch.randn(1, 12, 4, 5, 5)).shape == (1, 12, 2, 5, 5)
