"""SKNet: the selection sums to one, chooses, sees further, and the networks are the published ones."""

from pathlib import Path

import pytest
import torch
from reference import build, check_counts

from videonet.layers.nd import Nd
from videonet.layers.selective_kernel import SelectiveKernel
from videonet.models.count import count_params
from videonet.models.image.sknet import VARIANTS, cifar_sknet, sknet

DIMS = (2, 3)


def unit(dims: int = 2, **settings: object) -> SelectiveKernel:
    torch.manual_seed(0)
    return SelectiveKernel(Nd(dims), 8, groups=2, least=4, **settings)


def maps(dims: int = 2, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 8, *(2, 9, 7)[3 - dims :], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("branches", [1, 2, 3])
def test_the_weights_sum_to_one_over_the_branches(dims: int, branches: int) -> None:
    sk = unit(dims, branches=branches)
    torch.nn.init.normal_(sk.select.weight)
    outputs = [branch(maps(dims)) for branch in sk.branches]
    weights = sk.weights(outputs)
    assert weights.shape == (3, branches, 8)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(3, 8))
    if branches > 1:
        assert (weights[0] - weights[1]).abs().max() > 1e-3  # each sample chooses for itself


@pytest.mark.parametrize("chosen", [0, 1])
def test_a_branch_that_wins_everywhere_is_the_output(chosen: int) -> None:
    sk = unit().eval()
    torch.nn.init.zeros_(sk.select.weight)
    sk.select.weight.data.unflatten(0, (2, 8))[chosen] = 1e6
    sk.squeeze.bn.bias.data.fill_(1)
    torch.testing.assert_close(sk(maps()), sk.branches[chosen](maps()))


def test_equal_weights_give_the_mean_of_the_branches() -> None:
    sk = unit(branches=3).eval()
    torch.nn.init.zeros_(sk.select.weight)
    mean = sum(branch(maps()) for branch in sk.branches) / 3
    torch.testing.assert_close(sk(maps()), mean)


def test_branch_m_sees_2m_plus_3_pixels() -> None:
    for m, branch in enumerate(unit(branches=3).eval().branches):
        x = torch.zeros(1, 8, 13, 13, requires_grad=True)
        branch.conv(x)[0, :, 6, 6].sum().backward()
        rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
        assert (min(rows), max(rows)) == (5 - m, 7 + m)


def test_a_batch_of_one_tests_but_does_not_train_and_says_what_to_do() -> None:
    assert unit().eval()(maps(batch=1)).shape == (1, 8, 9, 7)
    with pytest.raises(ValueError, match="a batch of 1 cannot train.*batch of 2 or more, norm='group'"):
        unit().train()(maps(batch=1))
    group = SelectiveKernel(Nd(2, norm_policy="group"), 8, groups=2, least=4)
    group.train()(maps(batch=1)).sum().backward()
    assert group.squeeze.fc.weight.grad.abs().sum() > 0  # one group: the summary survives its norm


@pytest.mark.parametrize("name", ["sknet26", "sknet50", "sknet101"])
def test_the_published_counts(shared: Path, name: str) -> None:
    check_counts(shared, build(VARIANTS[name]), f"translit:{name}")


def test_three_branches_have_the_counts_of_table_7(shared: Path) -> None:
    check_counts(shared, build(VARIANTS["sknet50"], branches=3), "translit:sknet50_M3")


def test_the_cifar_network(shared: Path) -> None:
    model = build(VARIANTS["cifar_sknet29"], groups=16)
    check_counts(shared, model, "translit:sknet29_16x32d_cifar10", (3, 32, 32))
    assert count_params(build(VARIANTS["cifar_sknet29"])) == pytest.approx(28.26e6, rel=1e-3)


@pytest.mark.parametrize("time_at", ["pointwise", "spatial"])
def test_time_enters_one_convolution_or_the_branches(time_at: str) -> None:
    image = build(VARIANTS["sknet26"], None)
    video = build(VARIANTS["sknet26"], None, nd=Nd(3), time_at=time_at)
    assert list(video.state_dict()) == list(image.state_dict())


def test_an_unknown_depth_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="depth is 18; an SKNet has one of 26, 50, 101"):
        sknet(Nd(2), depth=18)
    with pytest.raises(ValueError, match="depth is 30; a CIFAR SKNet has 9n"):
        cifar_sknet(Nd(2), depth=30)
