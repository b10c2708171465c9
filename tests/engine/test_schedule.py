"""Laws of the learning rate schedules, and the published values of every PySlowFast config."""

import json

import pytest

from videonet.engine import schedule

RATES = [schedule.constant, schedule.linear, schedule.cosine]


def _settings(values: dict) -> tuple:
    number = {
        "base_lr": "BASE_LR",
        "epochs": "MAX_EPOCH",
        "warmup_epochs": "WARMUP_EPOCHS",
        "warmup_start_lr": "WARMUP_START_LR",
    }
    settings = {key: float(values[f"SOLVER.{name}"]) for key, name in number.items()}
    if values["SOLVER.LR_POLICY"] == "cosine":
        settings["end_lr"] = float(values["SOLVER.COSINE_END_LR"])
        settings["after_warmup"] = values["SOLVER.COSINE_AFTER_WARMUP"]
        return schedule.cosine, settings
    settings["steps"] = values["SOLVER.STEPS"]
    settings["lrs"] = [float(lr) for lr in values["SOLVER.LRS"]]
    return schedule.steps_with_relative_lrs, settings


def test_equal_to_the_published_learning_rates(shared):
    golden = json.loads((shared / "golden/pyslowfast/schedules_and_sampling.json").read_text())["lr_at_epoch"]
    configs = json.loads((shared / "facts/pyslowfast_configs.json").read_text())
    defaults = json.loads((shared / "facts/pyslowfast_defaults.json").read_text())
    defaults = {key: entry["default"] for key, entry in defaults.items()}
    assert len(golden) > 50
    for name, points in golden.items():
        function, settings = _settings({**defaults, **configs[name]["set_in_yaml"]})
        rate = function(**settings)
        for epoch, lr in points:
            assert rate(epoch) == pytest.approx(lr, rel=1e-12, abs=1e-18), (name, epoch)


@pytest.mark.parametrize("function", RATES)
def test_warm_up_starts_where_told_and_joins_without_a_jump(function):
    rate = function(base_lr=0.4, epochs=10, warmup_epochs=2, warmup_start_lr=0.1)
    plain = function(base_lr=0.4, epochs=10)
    assert rate(0) == pytest.approx(0.1)
    assert rate(2 - 1e-9) == pytest.approx(plain(2), rel=1e-6)
    assert rate(5) == plain(5)


def test_cosine_ends_at_its_end_and_may_start_after_the_warm_up():
    assert schedule.cosine(base_lr=0.4, epochs=10, end_lr=0.01)(10) == pytest.approx(0.01)
    assert schedule.cosine(base_lr=0.4, epochs=10, warmup_epochs=2, after_warmup=True)(2) == pytest.approx(0.4)
    assert schedule.cosine(base_lr=0.4, epochs=10, warmup_epochs=2)(2) < 0.4


def test_linear_falls_evenly():
    rate = schedule.linear(base_lr=1.0, epochs=4, end_lr=0.2)
    assert [rate(epoch) for epoch in (0, 1, 2, 4)] == pytest.approx([1.0, 0.8, 0.6, 0.2])


@pytest.mark.parametrize("function", RATES)
@pytest.mark.parametrize("warmup", [10, 34])
def test_a_warm_up_as_long_as_the_run_is_an_error(function, warmup):
    with pytest.raises(ValueError, match=f"warmup_epochs {warmup} must be less than the 10 epochs"):
        function(base_lr=0.1, epochs=10, warmup_epochs=warmup)


@pytest.mark.parametrize(("steps", "lrs", "say"), [([1, 2], [1, 1], "begin with 0"), ([0, 3], [1], "each, got 1")])
def test_steps_that_make_no_sense_are_errors(steps, lrs, say):
    with pytest.raises(ValueError, match=say):
        schedule.steps_with_relative_lrs(base_lr=0.1, epochs=10, steps=steps, lrs=lrs)


def test_linear_scaling_multiplies_the_whole_schedule():
    rate = schedule.cosine(base_lr=0.1, epochs=10, warmup_epochs=1)
    scaled = schedule.scaled(rate, batch=16, reference_batch=64)
    assert [scaled(epoch) for epoch in (0, 0.5, 3)] == pytest.approx([rate(epoch) / 4 for epoch in (0, 0.5, 3)])


def test_even_counts_epochs_in_steps():
    even = schedule.Even(schedule.linear(base_lr=1.0, epochs=4), steps_per_epoch=5, epochs=4)
    assert (even.steps, even.epoch(7)) == (20, 1.4)
    assert even.lr(10) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no full batch"):
        schedule.Even(schedule.constant(base_lr=1, epochs=1), steps_per_epoch=0, epochs=1)
