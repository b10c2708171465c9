"""Ghost modules: intrinsic maps first, ghosts of each behind them; and the published networks."""

from pathlib import Path

import pytest
import torch
from reference import build, check_counts, check_video, read, reference_shapes, shapes

from videonet.layers.ghost import GhostModule
from videonet.layers.nd import Nd
from videonet.models.block_table import Row
from videonet.models.count import count_macs, count_params
from videonet.models.image import g_ghost, ghost_resnet, ghostnet
from videonet.models.image.g_ghost import GhostStage, ghost_stage
from videonet.models.image.ghostnet import GhostBottleneck
from videonet.models.pathway import IMAGE, Pathway


def maps(channels: int, dims: int = 2) -> torch.Tensor:
    return torch.randn(2, channels, *(2, 6, 5)[3 - dims :], generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("c_out", "ratio"), [(8, 2), (12, 3), (16, 4), (9, 2), (10, 3)])
def test_the_first_maps_are_the_intrinsic_ones(dims: int, c_out: int, ratio: int) -> None:
    module = GhostModule(Nd(dims), 6, c_out, ratio=ratio).eval()
    intrinsic = module.primary(maps(6, dims))
    y = module(maps(6, dims))
    count = -(-c_out // ratio)
    assert y.shape[1] == c_out and intrinsic.shape[1] == count
    assert torch.equal(y[:, :count], intrinsic)
    assert torch.equal(y[:, count:], module.cheap(intrinsic)[:, : c_out - count])


def test_a_ghost_depends_on_one_intrinsic_map() -> None:
    module = GhostModule(Nd(2), 6, 12, ratio=3, act=None).eval()
    intrinsic = module.primary(maps(6)).detach().requires_grad_()
    for i, ghost in enumerate(module.cheap(intrinsic).unbind(1)):
        (gradient,) = torch.autograd.grad(ghost.sum(), intrinsic, retain_graph=True)
        assert gradient.abs().sum((0, 2, 3)).nonzero().flatten().tolist() == [i // 2]


def test_a_ratio_without_ghosts_is_refused() -> None:
    with pytest.raises(ValueError, match="the ratio of a Ghost module is 1; it must be 2 or more"):
        GhostModule(Nd(2), 4, 4, ratio=1)


def test_a_bottleneck_with_a_zeroed_branch_is_the_identity_and_still_learns() -> None:
    block = GhostBottleneck(Nd(2, zero_init=True), 8, Row(3, 16, 8, se=True))
    x = maps(8)
    y = block(x)
    assert torch.equal(y, x)
    (y * maps(8)).sum().backward()
    assert block.ghost2.primary.bn.weight.grad.abs().sum() > 0


def test_a_stage_that_keeps_its_size_keeps_its_keys() -> None:
    variant = ghostnet.VARIANTS["ghostnet_1.0x"]
    dilated = variant.backbone(pathway=Pathway(output_stride=16))
    assert list(dilated.state_dict()) == list(build(variant, None).state_dict())
    assert [m.shape[-1] for m in dilated.eval()(torch.zeros(1, 3, 64, 64))] == [16, 8, 4, 4]


@pytest.mark.parametrize("name", ghostnet.VARIANTS)
def test_ghostnet_is_the_published_one(shared: Path, name: str) -> None:
    model = build(ghostnet.VARIANTS[name])
    check_counts(shared, model, f"ghostnet_ref:{name}")
    assert shapes(model) == reference_shapes(shared, f"ghostnet_ref:{name}")


def small_stage(dims: int = 2, policy: str = "batch") -> GhostStage:
    torch.manual_seed(0)
    return ghost_stage(Nd(dims, norm_policy=policy), 2, 4, 6, 16, 4, pathway=IMAGE)


def seen_by(module: torch.nn.Module) -> list[torch.Tensor]:
    """What the module is called with, from now on."""
    seen: list[torch.Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


@pytest.mark.parametrize("dims", [2, 3])
def test_the_last_block_of_a_ghost_stage_reads_both_parts_joined(dims: int) -> None:
    stage = small_stage(dims).eval()
    first, *between, last = stage.blocks
    joined = seen_by(last)
    stage(maps(6, dims))
    whole = first(maps(6, dims))
    x, means = whole[:, : stage.raw], [whole.flatten(2).mean(2)]
    for block in between:
        x = block(x)
        means.append(x.flatten(2).mean(2))
    merged = stage.merge(torch.cat(means, 1))
    cheap = (stage.cheap(whole[:, stage.raw :]) + merged[(..., *[None] * dims)]).relu()
    torch.testing.assert_close(joined[0], torch.cat([x, cheap], 1))
    assert stage.raw == 6 and cheap.shape[1] == 10


def test_the_blocks_between_leave_the_other_channels_alone() -> None:
    stage = small_stage().eval()
    inputs, outputs = seen_by(stage.cheap), seen_by(stage.blocks[-1])
    whole: list[torch.Tensor] = []
    stage.blocks[0].register_forward_hook(lambda *call: whole.append(call[2]))
    stage(maps(6))
    raw, cheap = outputs[0].split([stage.raw, 10], 1)
    (gradient,) = torch.autograd.grad(raw.square().sum(), whole[0], retain_graph=True)
    assert gradient[:, : stage.raw].abs().sum() > 0 and gradient[:, stage.raw :].abs().sum() == 0
    (gradient,) = torch.autograd.grad(cheap.square().sum(), whole[0])
    assert (gradient.abs().sum((0, 2, 3)) > 0).all()  # by the summaries, also from the raw channels
    assert torch.equal(inputs[0], whole[0][:, stage.raw :])


def test_a_ghost_stage_tests_a_batch_of_one_but_does_not_train_it() -> None:
    assert small_stage().eval()(maps(6)[:1]).shape == (1, 16, 3, 3)
    with pytest.raises(ValueError, match="a batch of 1 cannot train.*norm='group'"):
        small_stage().train()(maps(6)[:1])
    small_stage(policy="group").train()(maps(6)[:1]).sum().backward()


@pytest.mark.parametrize("name", g_ghost.VARIANTS)
def test_g_ghost_is_the_published_one(shared: Path, name: str) -> None:
    model = build(g_ghost.VARIANTS[name])
    check_counts(shared, model, f"g_ghost_ref:{name}")
    if name[-3:] <= "080":
        assert shapes(model) == reference_shapes(shared, f"g_ghost_ref:{name}")


def test_an_unknown_size_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="size is '024'; a G-Ghost RegNetX has one of 002, 004"):
        g_ghost.g_ghost_regnetx(Nd(2), size="024")


@pytest.mark.parametrize(("name", "ratio"), [("ghost_resnet50", 2), ("ghost_resnet50_s4", 4)])
def test_ghost_resnet_costs_what_the_released_one_does(shared: Path, name: str, ratio: int) -> None:
    figures = read(shared / "golden/image_counts.json")["models"][f"ghost_resnet_ref:ghost_resnet50_s{ratio}"]
    gmacs = count_macs(build(ghost_resnet.VARIANTS[name]), (3, 224, 224)).total / 1e9
    assert gmacs == pytest.approx(figures["gmacs_conv_linear"], rel=1e-5)


def test_the_cifar_ghost_resnet_has_the_published_size() -> None:
    model = build(ghost_resnet.VARIANTS["cifar_ghost_resnet56"])
    assert count_params(model) == pytest.approx(0.43e6, rel=0.03)
    assert count_macs(model, (3, 32, 32)).total == pytest.approx(63e6, rel=0.04)


@pytest.mark.parametrize("kernels", [(3, 3), (1, 3, 1)])
def test_a_ghost_resnet_block_with_a_zeroed_branch_is_the_identity(kernels: tuple[int, ...]) -> None:
    block = ghost_resnet.GhostResidual(Nd(2, zero_init=True), 8, 4, 8, kernels=kernels)
    x = maps(8).abs()
    assert torch.equal(block(x), x)
    assert [g.primary.conv.kernel_size[0] for g in block.ghosts] == list(kernels)


def test_depths_without_a_ghost_resnet_are_refused() -> None:
    with pytest.raises(ValueError, match="depth is 18; a Ghost-ResNet has bottlenecks"):
        ghost_resnet.ghost_resnet(Nd(2), depth=18)
    with pytest.raises(ValueError, match="depth is 51; a CIFAR Ghost-ResNet has 6n"):
        ghost_resnet.cifar_ghost_resnet(Nd(2), depth=51)


def test_a_group_wider_than_its_layer_scales_as_well() -> None:
    check_video("g_ghost_regnetx_080", g_ghost.VARIANTS["g_ghost_regnetx_080"])
