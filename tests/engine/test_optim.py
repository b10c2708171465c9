"""Laws of the optimizers: every parameter decays as it should, and LARS follows its formula."""

import pytest
import torch
from torch import nn

from videonet.engine import optim


class _Norm(nn.GroupNorm):
    """A norm of somebody else's."""


def _model() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4), nn.PReLU(4), _Norm(2, 4), nn.Flatten(), nn.LayerNorm(4), nn.Linear(4, 2)
    )


def _decay(model: nn.Module, **settings: object) -> dict[str, float]:
    groups = optim.parameter_groups(model, weight_decay=0.1, **settings)
    of = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    return {name: of[id(p)] for name, p in model.named_parameters() if id(p) in of}


def test_norms_slopes_and_vectors_have_their_own_decay():
    decay = _decay(_model(), norm_weight_decay=0.01)
    norms = {f"{i}.{name}": 0.01 for i in (1, 3, 5) for name in ("weight", "bias")}
    expected = {"0.weight": 0.1, "0.bias": 0.1, "2.weight": 0.0, "6.weight": 0.1, "6.bias": 0.1}
    assert decay == {**expected, **norms}
    assert _decay(_model(), norm_weight_decay=0.01, zero_1d=True) == {**expected, **norms, "0.bias": 0, "6.bias": 0}


def test_every_trainable_parameter_is_in_one_group_once():
    model = _model()
    model.append(nn.Linear(2, 2))
    model[-1].weight = nn.Parameter(model[-2].weight.detach()[:, :2].clone())
    model[-1].bias = model[-2].bias  # shared
    groups = optim.parameter_groups(model, weight_decay=0.1, zero_1d=True)
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted({id(p) for p in model.parameters()})


def test_frozen_parameters_are_left_out():
    model = _model()
    assert optim.freeze(model, ["0", "1"]) == 16 + 8
    assert not {"0.weight", "0.bias", "1.weight", "1.bias"} & set(_decay(model))
    optim.freeze(model, ["2", "3", "5", "6"])
    with pytest.raises(ValueError, match="everything is frozen"):
        optim.parameter_groups(model, weight_decay=0.1)


def test_freeze_takes_whole_names_and_their_ends():
    model = nn.ModuleDict(
        {"slow": nn.ModuleDict({"res2": nn.Linear(2, 2)}), "fast": nn.ModuleDict({"res2": nn.Linear(2, 3)})}
    )
    assert optim.freeze(model, ["res2"]) == 6 + 9
    model.requires_grad_(True)
    assert optim.freeze(model, ["slow.res2"]) == 6
    assert optim.freeze(model, ["slow", "slow.res2"]) == 6
    for name in ("es2", "res3", ""):
        with pytest.raises(ValueError, match=f"cannot freeze '{name}': .* it has slow, slow.res2, fast, fast.res2"):
            optim.freeze(model, [name])


def test_train_mode_leaves_frozen_norms_in_evaluation():
    model = _model()
    optim.freeze(model, ["1", "0"])
    optim.train_mode(model)
    assert [module.training for module in model] == [True, False, True, True, True, True, True]


def test_lars_follows_its_formula():
    layer = nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    optimizer = optim.lars([{"params": list(layer.parameters()), "weight_decay": 0.1}], momentum=0.5, trust=0.01)
    optim.set_lr(optimizer, 0.2)
    moved_weight, moved_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    for step in range(3):
        grad = torch.full_like(weight, 1.0 + step)
        layer.weight.grad, layer.bias.grad = grad.clone(), grad[:, 0].clone()
        optimizer.step()
        g = grad + 0.1 * weight
        moved_weight = 0.5 * moved_weight + 0.2 * 0.01 * weight.norm() / g.norm() * g
        moved_bias = 0.5 * moved_bias + 0.2 * (grad[:, 0] + 0.1 * bias)
        weight, bias = weight - moved_weight, bias - moved_bias
    torch.testing.assert_close(layer.weight.detach(), weight)
    torch.testing.assert_close(layer.bias.detach(), bias)


def test_lars_moves_a_weight_of_zeros():
    layer = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(layer.weight)
    optimizer = optim.lars([{"params": [layer.weight]}])
    optim.set_lr(optimizer, 0.5)
    layer.weight.grad = torch.ones_like(layer.weight)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 3), -0.5))


@pytest.mark.parametrize("build", [optim.sgd, optim.adam, optim.adamw, optim.lars])
def test_every_optimizer_lowers_a_loss_and_keeps_the_decay_of_its_groups(build):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 1))
    optimizer = build(optim.parameter_groups(model, weight_decay=0.25, norm_weight_decay=0.5))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.25, 0.5]
    optim.set_lr(optimizer, 0.01)
    inputs = torch.randn(32, 4)
    losses = []
    for _ in range(20):
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def test_gradient_norm_is_that_which_clipping_finds():
    model = nn.Linear(3, 2)
    model(torch.ones(1, 3)).sum().backward()
    before = [p.grad.clone() for p in model.parameters()]
    norm = optim.gradient_norm(model.parameters())
    assert all(torch.equal(a, p.grad) for a, p in zip(before, model.parameters()))
    assert optim.clipping(norm=0.1)(model.parameters()) == pytest.approx(norm.item())
    assert optim.gradient_norm(model.parameters()) == pytest.approx(0.1, rel=1e-4)
    optim.clipping(value=0.01)(model.parameters())
    assert max(float(p.grad.abs().max()) for p in model.parameters()) <= 0.01
    assert optim.clipping() is None


@pytest.mark.parametrize(
    ("call", "say"),
    [
        (lambda: optim.sgd([{"params": []}], momentum=0.9, dampening=0.1), "nesterov needs momentum > 0"),
        (lambda: optim.clipping(norm=1, value=1), "not both"),
        (lambda: optim.clipping(norm=0), "must be above 0"),
    ],
)
def test_impossible_settings_are_errors(call, say):
    with pytest.raises(ValueError, match=say):
        call()
