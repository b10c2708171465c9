"""MGIC: the parameter formula, the coupling of all channels, what the cycle reduces to, and the reference networks."""

from pathlib import Path

import pytest
import torch
from reference import build, check_counts, reference_shapes, shapes

from videonet.layers.channel_cycle import ChannelCycle, level_widths
from videonet.layers.nd import Nd
from videonet.models.block_table import Row
from videonet.models.count import count_macs, count_params
from videonet.models.heads import ProjectedMax
from videonet.models.image.mgic import VARIANTS
from videonet.models.multigrid_block import InvertedRelaxation, MultigridBlock, MultigridInverted


def block(width: int, group_size: int, coarsest: int, *, scale: int = 1, dims: int = 2, **settings: object):
    torch.manual_seed(0)
    outer = scale * width
    return MultigridBlock(Nd(dims), outer, width, outer, group_size=group_size, coarsest=coarsest, **settings).eval()


def maps(channels: int, dims: int = 2, size: int = 5) -> torch.Tensor:
    return torch.randn(2, channels, *(2, size, size)[3 - dims :], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("channels", "coarsest", "code", "paper"),
    [
        (256, 64, [256, 128, 64, 32], [256, 128, 64]),
        (64, 64, [64, 32], [64]),
        (512, 64, [512, 256, 128, 64, 32], [512, 256, 128, 64]),
        (256, 16, [256, 128, 64, 32, 16, 8], [256, 128, 64, 32, 16]),
        (16, 64, [16, 8], [16]),
        (40, 12, [40, 20, 10], [40, 20, 10]),
        (1, 64, [1], [1]),
    ],
)
def test_the_levels(channels: int, coarsest: int, code: list[int], paper: list[int]) -> None:
    assert level_widths(channels, coarsest) == code
    assert level_widths(channels, coarsest, "paper") == paper


@pytest.mark.parametrize("rule", ["code", "paper"])
@pytest.mark.parametrize("channels", [64, 128, 256, 512])
@pytest.mark.parametrize(("group_size", "coarsest"), [(64, 64), (32, 32), (16, 64), (16, 16)])
def test_parameters_follow_the_formula(channels: int, group_size: int, coarsest: int, rule: str) -> None:
    widths = level_widths(channels, coarsest, rule)
    with torch.device("meta"):
        basic = block(channels, group_size, coarsest, coarse_rule=rule)
        deep = block(channels, group_size, coarsest, coarse_rule=rule, scale=4)
    expected, bottleneck, w = 0, 0, widths[-1]
    for fine, coarse in zip(widths, widths[1:]):
        g = max(fine // group_size, 1)
        expected += 2 * fine * coarse // g + 18 * fine**2 // g + 6 * fine
        bottleneck += 2 * 16 * fine * coarse // g + 17 * fine**2 // g + 20 * fine
    assert count_params(basic) == expected + 18 * w**2 + 4 * w
    assert count_params(deep) == bottleneck + 17 * w**2 + 12 * w


@pytest.mark.parametrize(
    ("group_size", "coarsest", "counts"),
    [
        (64, 64, (96768, 253184, 566016, 1191680)),
        (32, 32, (63616, 142208, 299392, 613760)),
        (16, 64, (38400, 78080, 157440, 316160)),
    ],
)
def test_the_counts_of_the_reference_blocks(group_size: int, coarsest: int, counts: tuple[int, ...]) -> None:
    with torch.device("meta"):
        blocks = [block(width, group_size, coarsest) for width in (64, 128, 256, 512)]
    assert tuple(count_params(b) for b in blocks) == counts


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("rp_init", ["average", "kaiming"])
@pytest.mark.parametrize("scale", [1, 4])
def test_an_output_channel_depends_on_every_input_channel(dims: int, rp_init: str, scale: int) -> None:
    module = block(32, 8, 8, scale=scale, dims=dims, rp_init=rp_init).double()
    x = maps(32 * scale, dims).double().requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[:, 0].square().sum(), x)
    assert (gradient.abs().flatten(2).sum((0, 2)) > 0).all()
    relax = module.cycle.relax[0]
    (gradient,) = torch.autograd.grad(relax(x)[:, 0].square().sum(), x)
    assert (gradient.abs().flatten(2).sum((0, 2)) > 0).sum() == 8 * scale  # a grouped block alone sees its group


@pytest.mark.parametrize("scale", [1, 4])
def test_without_prolongation_the_cycle_is_the_finest_block(scale: int) -> None:
    module = block(32, 8, 8, scale=scale)
    for prolong in module.cycle.prolong:
        torch.nn.init.zeros_(prolong.conv.weight)
    x = maps(32 * scale)
    torch.testing.assert_close(module(x), module.cycle.relax[0](x))


@pytest.mark.parametrize("scale", [1, 4])
def test_an_averaging_restriction_keeps_a_constant(scale: int) -> None:
    cycle = block(32, 8, 8, scale=scale).cycle
    for restrict, width in zip(cycle.restrict, cycle.widths):
        constant = torch.full((1, scale * width, 3, 3), 2.5)
        if width >= 8:
            torch.testing.assert_close(restrict(constant), constant[:, : scale * width // 2])
    narrow = block(4, 8, 8).cycle.restrict[0]
    torch.testing.assert_close(narrow(torch.ones(1, 4, 1, 1)), torch.full((1, 2, 1, 1), 4 / 8))


def test_with_zeroed_blocks_the_cycle_is_the_identity_of_non_negative_maps() -> None:
    module = MultigridBlock(Nd(2, zero_init=True), 32, 32, 32, group_size=8, coarsest=8).eval()
    x = maps(32).abs()
    torch.testing.assert_close(module(x), x)


def permute(cycle: ChannelCycle, order: torch.Tensor, group_size: int) -> None:
    """Reorder the finest level's channels inside each group, in all weights that touch them."""

    def inputs(conv: torch.nn.Module) -> None:
        size = conv.weight.shape[1]
        within = order.reshape(-1, group_size) % group_size
        rows = conv.weight.shape[0] // within.shape[0]
        picked = [w[:, within[i // rows]] for i, w in enumerate(conv.weight.data.split(1))]
        assert size == group_size
        conv.weight.data = torch.cat(picked)

    def outputs(module: torch.nn.Module) -> None:
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.dim():
                tensor.data = tensor.data[order]

    relax = cycle.relax[0]
    inputs(cycle.restrict[0])
    outputs(cycle.prolong[0])
    for conv in (relax.conv1, relax.conv2):
        inputs(conv)
    for module in (relax.conv1, relax.bn1, relax.conv2, relax.bn2):
        outputs(module)


def test_permuting_channels_inside_the_groups_permutes_the_output() -> None:
    module = block(32, 8, 8, rp_init="kaiming")
    for name, tensor in module.state_dict().items():
        if "bn" in name and tensor.dim():
            tensor.uniform_(0.5, 1.5)
    order = torch.cat([8 * i + torch.randperm(8) for i in range(4)])
    x = maps(32)
    expected = module(x)[:, order]
    permute(module.cycle, order, 8)
    torch.testing.assert_close(module(x[:, order]), expected)


def test_the_connector_is_depthwise_where_the_widths_divide() -> None:
    assert MultigridBlock(Nd(2), 32, 64, 64, stride=2).connector.conv.groups == 32
    assert MultigridBlock(Nd(2), 40, 64, 64, stride=2).connector.conv.groups == 8  # with channels that laterals join
    assert MultigridBlock(Nd(3), 64, 64, 64, t=3, t_stride=2).connector.conv.kernel_size == (3, 3, 3)
    assert isinstance(MultigridBlock(Nd(2), 64, 64, 64).connector, torch.nn.Identity)


def test_an_inverted_relaxation_has_a_double_residual() -> None:
    relax = InvertedRelaxation(Nd(2, zero_init=True), 8, 24, Row(3, 24, 8), 1).eval()
    x = maps(8)
    torch.testing.assert_close(relax(x), x.relu() + x)


@pytest.mark.parametrize("row", [Row(5, 32, 16, se=True, hard=True), Row(3, 16, 16, se=True)])
def test_an_inverted_block_couples_all_channels(row: Row) -> None:
    torch.manual_seed(0)
    module = MultigridInverted(Nd(2), 16, row, group_size=4, coarsest=4).eval().double()
    x = maps(16).double().requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[:, 0].square().sum(), x)
    assert (gradient.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize(("depth", "group_size", "coarsest"), [(18, 16, 16), (34, 64, 32), (50, 16, 64)])
def test_the_reference_resnets(shared: Path, depth: int, group_size: int, coarsest: int) -> None:
    model = build(VARIANTS[f"mgic_resnet{depth}"], group_size=group_size, coarsest=coarsest)
    check_counts(shared, model, f"mgic_ref:mgic_resnet{depth}_sg{group_size}_fc{coarsest}")


@pytest.mark.parametrize("depth", [18, 34])
def test_the_published_counts(shared: Path, depth: int) -> None:
    name = f"mgic_resnet{depth}"
    check_counts(shared, build(VARIANTS[name]), f"mgic_ref:{name}_sg32_fc64")


@pytest.mark.parametrize("table", ["full", "small"])
@pytest.mark.parametrize(("group_size", "coarsest"), [(8, 8), (16, 32)])
def test_the_reference_mobile_networks(shared: Path, table: str, group_size: int, coarsest: int) -> None:
    name = "mgic_mobilenetv3_released" if table == "full" else "mgic_mobilenetv3_small_released"
    model = build(VARIANTS[name], group_size=group_size, coarsest=coarsest)
    check_counts(shared, model, f"mgic_ref:mobileMGV3_{table}_sg{group_size}_fc{coarsest}_1000")


@pytest.mark.parametrize(
    ("name", "key", "settings"),
    [
        ("mgic_resnet50", "mgic_ref:mgic_resnet50_sg32_fc64", {}),
        ("mgic_resnet18", "mgic_ref:mgic_resnet18_sg64_fc64", {"group_size": 64}),
        ("mgic_mobilenetv3_released", "mgic_ref:mobileMGV3_full_sg64_fc64_1000", {}),
    ],
)
def test_the_shapes_of_the_reference(shared: Path, name: str, key: str, settings: dict) -> None:
    model = build(VARIANTS[name], **settings)
    check_counts(shared, model, key)
    assert shapes(model) == reference_shapes(shared, key)


def test_the_default_of_the_reference_driver(shared: Path) -> None:
    small = {"width": 32, "depths": (1, 2, 2, 2), "coarsest": 32}
    model = build(VARIANTS["mgic_resnet18"], 10, **small)
    check_counts(shared, model, "mgic_ref:mgic_resnet_driver_default_cifar10", (3, 32, 32))


def test_the_stem_of_mobilenetv3_quarters_the_cost() -> None:
    names = ("mgic_mobilenetv3_small", "mgic_mobilenetv3_small_released")
    costs = [count_macs(build(VARIANTS[name]), (3, 224, 224)).total for name in names]
    assert 3.9 < costs[1] / costs[0] < 4.1


@pytest.mark.parametrize("size", [(4, 5), (3, 4, 5)])
def test_the_head_of_the_release_takes_the_maximum_of_hidden_positions(size: tuple[int, ...]) -> None:
    head = ProjectedMax([6], 3, hidden=8, hidden_bias=True).eval()
    x = torch.randn(2, 6, *size)
    positions = head.lin(x.flatten(2).transpose(1, 2)).relu()
    torch.testing.assert_close(head([x]), head.fc(positions.amax(1)))
    torch.testing.assert_close(head.dense([x], 7)[:, 0], head([x]))
    assert head.dense([x], 3).shape == (2, 2 * 3, 3)
    with pytest.raises(ValueError, match="has one pathway, not 2; use Projected"):
        head([x, x])


def test_mistakes_name_the_rule() -> None:
    make = VARIANTS["mgic_resnet18"]
    with pytest.raises(ValueError, match="coarse_rule is 'half'; it must be one of code, paper"):
        make(coarse_rule="half")
    with pytest.raises(ValueError, match="rp_init is 'zero'; it must be one of average, kaiming"):
        make(rp_init="zero")
    with pytest.raises(ValueError, match="stem is 'deep'; it must be one of conv3x3_s2, conv1x1_s1"):
        VARIANTS["mgic_mobilenetv3"](stem="deep")
    with pytest.raises(ValueError, match="table is 'large'; it must be one of full, small"):
        VARIANTS["mgic_mobilenetv3"](table="large")
