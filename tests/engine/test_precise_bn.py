"""Laws of precise batch norm: population statistics, of the norms that train."""

import pytest
import torch
from fvcore.nn.precise_bn import update_bn_stats
from torch import nn

from tests.engine import runs
from videonet.engine import optim
from videonet.engine.precise_bn import update_statistics


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.ReLU(), nn.Conv3d(4, 5, 2), nn.BatchNorm3d(5))


def _clips(count: int) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [
        {"clip": 3 + torch.randn(4 + n % 3, 3, 4, 6, 6, generator=generator), "label": torch.zeros(4)}
        for n in range(count)
    ]


def _prepare(batch: dict) -> tuple:
    return (batch["clip"],), batch["label"]


def test_equal_to_fvcore():
    ours, theirs = _net(), _net().train()
    assert update_statistics(ours, _clips(6), prepare=_prepare, count=6) == 2
    update_bn_stats(theirs, (batch["clip"] for batch in _clips(6)), 6)
    for index in (1, 4):
        torch.testing.assert_close(ours[index].running_mean, theirs[index].running_mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours[index].running_var, theirs[index].running_var, rtol=1e-4, atol=1e-6)


def test_the_first_norm_has_the_statistics_of_all_rows():
    model = _net()
    update_statistics(model, _clips(5), prepare=_prepare, count=5)
    rows = torch.cat([model[0](batch["clip"]).transpose(0, 1).flatten(1) for batch in _clips(5)], dim=1)
    torch.testing.assert_close(model[1].running_mean, rows.mean(1).detach())
    torch.testing.assert_close(model[1].running_var, rows.var(1, correction=0).detach())


def test_weights_momentum_and_mode_stay():
    model = _net().eval()
    model[1].train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    update_statistics(model, _clips(2), prepare=_prepare, count=2)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert [module.training for module in model] == [False, True, False, False, False]
    assert not model[1]._forward_pre_hooks and model[1].momentum == 0.1


def test_only_so_many_batches_are_taken():
    batches = iter(_clips(5))
    update_statistics(_net(), batches, prepare=_prepare, count=2)
    assert len(list(batches)) == 3


def test_frozen_norms_keep_theirs_and_one_batch_is_enough():
    model = _net()
    optim.freeze(model, ["1"])
    before = model[1].running_mean.clone(), model[4].running_mean.clone()
    assert update_statistics(model, _clips(1), prepare=_prepare, count=200) == 1
    assert torch.equal(model[1].running_mean, before[0])
    assert not torch.equal(model[4].running_mean, before[1])


def test_no_norm_is_nothing_to_do_and_no_batch_an_error():
    assert update_statistics(nn.Linear(8, 3), [runs.batch_of(0)], prepare=runs.prepare) == 0
    with pytest.raises(ValueError, match="got no batch"):
        update_statistics(_net(), [], prepare=_prepare)
