"""Multigrid equals the published schedules, and its steps add up."""

import json

import pytest

from videonet.engine import schedule
from videonet.engine.multigrid import Grid, Multigrid, long_cycle, relative_lrs

NAMES = [
    "configs/Kinetics/SLOWFAST_8x8_R50_stepwise_multigrid.yaml",
    "configs/Charades/SLOWFAST_16x8_R50_multigrid.yaml",
    "configs/SSv2/SLOWFAST_16x8_R50_multigrid.yaml",
]


@pytest.fixture(params=NAMES)
def published(request, shared):
    golden = json.loads((shared / "golden/pyslowfast/schedules_and_sampling.json").read_text())["multigrid"]
    configs = json.loads((shared / "facts/pyslowfast_configs.json").read_text())
    return golden[request.param], configs[request.param]["set_in_yaml"]


def _phases(settings: dict) -> list:
    return long_cycle(
        frames=settings["DATA.NUM_FRAMES"],
        size=settings["DATA.TRAIN_CROP_SIZE"],
        steps=settings["SOLVER.STEPS"],
        epochs=settings["SOLVER.MAX_EPOCH"],
        epoch_factor=settings.get("MULTIGRID.EPOCH_FACTOR", 1.5),
    )


def _rate(phases: list, settings: dict) -> schedule.Rate:
    steps, lrs = relative_lrs(phases, [float(lr) for lr in settings["SOLVER.LRS"]])
    return schedule.steps_with_relative_lrs(
        base_lr=settings["SOLVER.BASE_LR"],
        epochs=phases[-1].end_epoch,
        steps=steps,
        lrs=lrs,
        warmup_epochs=settings["SOLVER.WARMUP_EPOCHS"],
        warmup_start_lr=settings["SOLVER.WARMUP_START_LR"],
    )


def test_long_cycle_is_the_published_one(published):
    golden, settings = published
    phases = _phases(settings)
    found = [[p.stage, [p.times, p.frames, p.size], p.end_epoch] for p in phases]
    assert found == golden["schedule [step_idx,[B_rel,T,S],end_epoch]"]
    steps, lrs = relative_lrs(phases, [float(lr) for lr in settings["SOLVER.LRS"]])
    assert steps == golden["SOLVER.STEPS"]
    assert lrs == pytest.approx(golden["SOLVER.LRS"])
    assert phases[-1].end_epoch == golden["SOLVER.MAX_EPOCH"]


def test_every_change_of_shape_has_the_published_batch_rate_and_learning_rate(published):
    golden, settings = published
    batch, frames, size = golden["DEFAULT_BTS"]
    full = Grid(batch, frames, size, settings["DATA.SAMPLING_RATE"], settings["DATA.SAMPLING_RATE"])
    phases = _phases(settings)
    multigrid = Multigrid(phases, _rate(phases, settings), items=1000 * batch, full=full, short_factors=())
    seen = {}
    for step in range(multigrid.steps):
        seen.setdefault(int(multigrid.epoch(step)), step)
    for change in golden["changes"]:
        step = seen[change["epoch"]]
        grid = multigrid.clip_shape(step)
        assert (grid.frames, grid.size, grid.batch) == (change["T"], change["S"], change["B"])
        assert grid.max_rate == change["LONG_CYCLE_SAMPLING_RATE"]
        assert multigrid.lr(step) == pytest.approx(change["lr"], rel=0.01)


def _small(short_factors=(0.5, 0.5**0.5)) -> Multigrid:
    phases = long_cycle(frames=8, size=64, steps=[0, 4, 8], epochs=10, short_factors=short_factors)
    rate = schedule.constant(base_lr=1, epochs=phases[-1].end_epoch)
    return Multigrid(phases, rate, items=1000, full=Grid(4, 8, 64, 2, 2), short_factors=short_factors)


@pytest.mark.parametrize("short_factors", [(), (0.5, 0.5**0.5)])
def test_epochs_are_the_clips_seen(short_factors):
    multigrid = _small(short_factors)
    clips = 0
    for step in range(multigrid.steps):
        assert multigrid.epoch(step) == clips / 1000
        clips += multigrid.clip_shape(step).batch
    assert multigrid.epoch(multigrid.steps) == clips / 1000
    assert 15 <= clips / 1000 < 15.1


def test_the_short_cycle_keeps_the_cost_of_a_step():
    multigrid = _small()
    cost = [g.batch * g.frames * g.size**2 for g in map(multigrid.clip_shape, range(multigrid.steps))]
    assert max(cost) / min(cost) < 1.1
    assert [multigrid.clip_shape(step).size for step in range(3)] == [32, 45, 45]
    last = [multigrid.clip_shape(step) for step in range(multigrid.steps - 3, multigrid.steps)]
    assert sorted((grid.size, grid.batch) for grid in last) == [(32, 16), (45, 8), (64, 4)]
