"""Laws of the norm policies: the keys stay, and each policy is plain batch norm seen from the right batch."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.engine import group
from videonet import distributed
from videonet.layers.norm import KINDS, MODES, convert_norms, parts_of
from videonet.models import image, video
from videonet.models.video import VARIANTS

FAMILIES = {**image.FAMILIES, **video.FAMILIES}
INPUTS = {nn.BatchNorm1d: (8, 3), nn.BatchNorm2d: (8, 3, 4, 5), nn.BatchNorm3d: (8, 3, 2, 4, 5)}


def norm_of(kind: type, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    norm = kind(3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def step(norm: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The output, and the gradient of a loss that no norm cancels."""
    x = x.clone().requires_grad_(True)
    out = norm(x)
    (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
    return out.detach(), x.grad


@pytest.mark.parametrize("mode", MODES)
def test_a_converted_network_has_the_same_keys_parameters_and_test_outputs(mode: str) -> None:
    model = VARIANTS["slowfast_8x8_r18"](5, scale=1 / 8).eval()
    plain, clip = copy.deepcopy(model), torch.randn(1, 3, 8, 32, 32)
    parameters = list(model.parameters())
    norms = sum(isinstance(m, nn.BatchNorm3d) for m in model.modules())
    assert convert_norms(model, mode, splits=2 if mode == "sub" else 1) == norms > 40
    assert list(model.state_dict()) == list(plain.state_dict())
    assert all(a is b for a, b in zip(model.parameters(), parameters))
    with torch.no_grad():
        torch.testing.assert_close(model(clip), plain(clip), rtol=0, atol=0)
    convert_norms(model, "train")
    assert [type(m) for m in model.modules()] == [type(m) for m in plain.modules()]
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_of_every_family_take_every_mode_and_come_back(name: str) -> None:
    with torch.device("meta"):
        model = FAMILIES[name](5)
    plain = [type(m) for m in model.modules()]
    norms = sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    for mode in (*MODES[1:], "train"):
        assert convert_norms(model, mode) == norms
    assert [type(m) for m in model.modules()] == plain


@pytest.mark.parametrize("kind", INPUTS)
def test_a_frozen_norm_is_a_constant_map_in_training(kind: type) -> None:
    norm = norm_of(kind)
    convert_norms(norm, "frozen")
    norm.train()
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    x = torch.randn(INPUTS[kind]) + 3
    assert torch.equal(norm(x), norm.eval()(x))
    assert all(torch.equal(before[k], v) for k, v in norm.state_dict().items())
    assert not any(p.requires_grad for p in norm.parameters())


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("splits", [1, 2, 4])
def test_sub_batch_norm_is_plain_norm_of_each_part(kind: type, splits: int) -> None:
    sub, whole, x = norm_of(kind), norm_of(kind), torch.randn(INPUTS[kind]) * 2 + 1
    parts = [norm_of(kind) for _ in range(splits)]
    convert_norms(sub, "sub", splits=splits)
    wanted = torch.empty_like(x)
    for i, part in enumerate(parts):
        wanted[i::splits] = part(x[i::splits])
    torch.testing.assert_close(sub(x), wanted)
    whole(x)
    torch.testing.assert_close(sub.state_dict(), whole.state_dict())


def test_sub_batch_norm_gives_gradients_and_refuses_a_batch_that_does_not_divide() -> None:
    norm = norm_of(nn.BatchNorm3d)
    convert_norms(norm, "sub", splits=2)
    _, grad = step(norm, torch.randn(4, 3, 2, 4, 4))
    assert grad.abs().sum() > 0 and norm.weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="batch of 5 does not divide into 2 parts"):
        norm(torch.randn(5, 3, 2, 4, 4))


@pytest.mark.parametrize(("batch", "base", "parts"), [(8, 2, 4), (8, 3, 2), (6, 4, 1), (2, 4, 1), (7, 2, 1)])
def test_a_base_makes_equal_parts_of_at_least_so_many_clips(batch: int, base: int, parts: int) -> None:
    assert parts_of(batch, base) == parts
    based, split, x = norm_of(nn.BatchNorm3d), norm_of(nn.BatchNorm3d), torch.randn(batch, 3, 2, 4, 4)
    convert_norms(based, "sub", base=base)
    convert_norms(split, "sub", splits=parts)
    assert torch.equal(based(x), split(x))
    torch.testing.assert_close(based.state_dict(), split.state_dict())


def synchronised(folder: Path) -> dict:
    """A process's half of the batch through a synchronised norm of each kind."""
    found = {}
    for kind, shape in INPUTS.items():
        norm = norm_of(kind)
        convert_norms(norm, "sync")
        rank, half = distributed.rank(), shape[0] // 2
        batch = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 2 + 5
        x = batch[rank * half : (rank + 1) * half].clone().requires_grad_(True)
        out = norm(x)
        weights = torch.arange(batch.numel()).view_as(batch).cos()
        (out * weights[rank * half : (rank + 1) * half]).sum().backward()
        found[kind.__name__] = {
            "out": out.detach(),
            "grad": x.grad,
            "weight": norm.weight.grad,
            "state": dict(norm.state_dict()),
        }
    return found


def test_synchronised_norms_of_two_processes_are_one_norm_of_the_joined_batch(tmp_path: Path) -> None:
    ranks = group.run(synchronised, 2, tmp_path)
    for kind, shape in INPUTS.items():
        norm = norm_of(kind)
        batch = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 2 + 5
        out, grad = step(norm, batch)
        found = [rank[kind.__name__] for rank in ranks]
        torch.testing.assert_close(torch.cat([f["out"] for f in found]), out, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(torch.cat([f["grad"] for f in found]), grad, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(sum(f["weight"] for f in found), norm.weight.grad, rtol=1e-4, atol=1e-5)
        for f in found:
            torch.testing.assert_close(f["state"], dict(norm.state_dict()), rtol=1e-5, atol=1e-5)


def test_modes_and_splits_that_do_not_exist_are_errors() -> None:
    with pytest.raises(ValueError, match="must be one of train, frozen, sub, sync"):
        convert_norms(nn.BatchNorm2d(3), "froze")
    with pytest.raises(ValueError, match="splits are for mode 'sub'"):
        convert_norms(nn.BatchNorm2d(3), "frozen", splits=2)
    with pytest.raises(ValueError, match="a base of clips is for mode 'sub' alone"):
        convert_norms(nn.BatchNorm2d(3), "train", base=8)
    assert set(KINDS) == set(MODES)
    assert convert_norms(nn.GroupNorm(1, 3), "sync") == 0
