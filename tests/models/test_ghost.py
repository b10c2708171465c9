"""Ghost modules: intrinsic maps first, ghosts of each behind them; and the published networks."""

from pathlib import Path

import pytest
import torch
from reference import build, check_counts, check_video, reference_shapes, shapes

from videonet.layers.ghost import GhostModule
from videonet.layers.nd import Nd
from videonet.models.block_table import Row
from videonet.models.image import ghostnet
from videonet.models.image.ghostnet import GhostBottleneck
from videonet.models.pathway import Pathway


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


@pytest.mark.parametrize("name", ["ghostnet_1.0x"])
def test_the_family_is_a_video_backbone(name: str) -> None:
    check_video(name, ghostnet.VARIANTS[name])
