"""Multigrid runs: the published phases, training through all, exact resumption, and settings that do not fit."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from videonet import build, run
from videonet.cli.cfg import explain
from videonet.data.clips import ClipShape
from videonet.data.demo import write_demo
from videonet.data.loader import TrainLoader
from videonet.layers.norm import SubBatchNorm3d

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = "configs/Kinetics/SLOWFAST_8x8_R50_stepwise_multigrid.yaml"
TINY = """
MODEL: {NAME: slow, DEPTH: 18, SCALE: 0.0625}
DATA: {PATH_TO_DATA_DIR: '@DATA@', NUM_FRAMES: 4, SAMPLING_RATE: 2, TRAIN_CROP_SIZE: 28, TEST_CROP_SIZE: 32,
  TRAIN_JITTER_SCALES: [30, 36]}
DATA_LOADER: {NUM_WORKERS: 0}
SOLVER: {BASE_LR: 0.01, MAX_EPOCH: 16}
SCHEDULE: {NAME: steps, STEPS: [0, 12], LRS: [1, 0.1]}
MULTIGRID: {LONG_CYCLE: true, SHORT_CYCLE: true, BN_BASE_SIZE: 2}
TRAIN: {BATCH_SIZE: 2, EVAL_PERIOD: 12, CHECKPOINT_PERIOD: 1, KEEP_CHECKPOINTS: 0}
TEST: {ENABLE: false}
LOG_PERIOD: 1
TENSORBOARD: false
DEVICE: cpu
OUTPUT_DIR: '@OUT@'
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Thirty-two clips to train on: the largest batch of a run at BATCH_SIZE 2."""
    root = tmp_path_factory.mktemp("demo")
    write_demo(root, train=32, val=8, size=32, workers=1)
    return root


@pytest.fixture
def start(demo, tmp_path):
    """start(name, *overrides) -> the loaded config of a tiny multigrid run in tmp_path/name."""

    def start(name: str, *overrides):
        path = tmp_path / f"{name}.yaml"
        path.write_text(TINY.replace("@DATA@", str(demo)).replace("@OUT@", str(tmp_path / name)))
        return build.load_config(path, overrides)

    return start


def lines(folder: Path, split: str = "train") -> list[dict]:
    return [line for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if line["split"] == split]


def losses(folder: Path) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in lines(folder)}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["model"]


def test_the_published_config_has_the_published_phases_and_rates(shared):
    golden = json.loads((shared / "golden/pyslowfast/schedules_and_sampling.json").read_text())["multigrid"][PUBLISHED]
    plan = build.build_schedule(build.load_config(ROOT / PUBLISHED), steps_per_epoch=1000)
    found = [[p.stage, [p.times, p.frames, p.size], p.end_epoch] for p in plan.phases]
    assert found == golden["schedule [step_idx,[B_rel,T,S],end_epoch]"]
    ends = [0, *(phase.end_epoch for phase in plan.phases)]
    firsts = [next(s for s in range(plan.steps) if plan.epoch(s) >= epoch) for epoch in ends[1:-1]]
    for change, first in zip(golden["changes"][1:], firsts):
        full = plan.clip_shape(first + 2)
        assert (full.batch, full.frames, full.size) == (change["B"], change["T"], change["S"])
        assert full.max_rate == change["LONG_CYCLE_SAMPLING_RATE"]
        assert plan.lr(first) == pytest.approx(change["lr"])


def test_a_run_trains_through_all_phases_and_resumes_bit_identical(start, tmp_path, monkeypatch):
    cfg, seen, batches = start("whole"), {}, TrainLoader.batches

    def watched(loader, first=0, stop=None):
        for step, batch in enumerate(batches(loader, first, stop), first):
            seen.setdefault(step, tuple(batch["clip"].shape[:4]))
            yield batch

    monkeypatch.setattr(TrainLoader, "batches", watched)
    run.run(cfg)
    plan = build.build_schedule(cfg, steps_per_epoch=16)
    wanted = [plan.clip_shape(step) for step in range(plan.steps)]
    assert seen == {s: (g.batch, g.frames, g.size, g.size) for s, g in enumerate(wanted)}
    assert {g.frames for g in wanted} == {1, 2, 4} and {g.size for g in wanted} == {14, 20, 28}
    folder = tmp_path / "whole"
    logged = lines(folder)
    assert [line["step"] for line in logged] == list(range(1, plan.steps + 1))
    assert [line["lr"] for line in logged] == [plan.lr(step) for step in range(plan.steps)]
    assert len(Counter(line["lr"] for line in logged)) > 4
    assert lines(folder, "val")[-1]["step"] == plan.steps

    middle = sorted((folder / "checkpoints").glob("step_*.pt"))[2]
    again = tmp_path / "again"
    (again / "checkpoints").mkdir(parents=True)
    shutil.copy(middle, again / "checkpoints" / "last")
    run.run(start("again"))
    assert min(losses(again)) == int(middle.stem.split("_")[1]) + 1
    assert losses(again).items() <= losses(folder).items()
    one, two = weights(folder / "checkpoints" / "last"), weights(again / "checkpoints" / "last")
    assert all(torch.equal(value, two[key]) for key, value in one.items())


def test_sampling_rates_reach_to_the_span_of_the_full_clip(start):
    cfg = start("rates")
    split = build.build_split(cfg, "train")
    plan = build.build_schedule(cfg, len(split) // 2)
    loader = build.build_train_loader(cfg, split, plan)
    dataset, rates = loader.dataset, []
    inner = dataset.sample
    dataset.sample = lambda rng, total, fps, frames, rate: rates.append(rate) or inner(rng, total, fps, frames, rate)
    list(loader.batches(0, 1))
    assert plan.clip_shape(0).frames == 1 and set(rates) == set(range(2, 9))


def test_a_clip_of_one_rate_draws_nothing():
    rng, shape = np.random.default_rng(0), ClipShape(4, 2, 28)
    assert shape.drawn(rng) is shape
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_norms_take_their_statistics_over_parts_unless_the_config_says_otherwise(start):
    def first(*overrides):
        cfg = start("norms", *overrides)
        model = build.build_model(cfg, 8)
        build.set_norms(cfg, model)
        return next(m for m in model.modules() if isinstance(m, torch.nn.BatchNorm3d | torch.nn.SyncBatchNorm))

    assert isinstance(first(), SubBatchNorm3d) and first().base == 2
    assert type(first("MULTIGRID.LONG_CYCLE", False, "MULTIGRID.SHORT_CYCLE", False)) is torch.nn.BatchNorm3d
    assert type(first("BN.MODE", "frozen")).__name__ == "FrozenBatchNorm3d"
    assert type(first("BN.MODE", "sync")).__name__ == "SyncBatchNorm"
    with pytest.raises(ValueError, match="BN.NUM_SPLITS is 2, .* MULTIGRID.BN_BASE_SIZE"):
        first("BN.MODE", "sub", "BN.NUM_SPLITS", 2)


def test_the_short_cycle_alone_goes_with_any_learning_rate(start, tmp_path):
    cfg = start("short", "MULTIGRID.LONG_CYCLE", False, "SCHEDULE.NAME", "cosine", "SOLVER.MAX_EPOCH", 1)
    plan = build.build_schedule(cfg, steps_per_epoch=16)
    assert plan.epochs == 1 and [plan.clip_shape(s).size for s in range(4)] == [14, 20, 28, 14]
    assert {plan.clip_shape(s).frames for s in range(plan.steps)} == {4}
    run.run(cfg)
    assert len(losses(tmp_path / "short")) == plan.steps
    stepped = start("short", "MULTIGRID.LONG_CYCLE", False)
    plan = build.build_schedule(stepped, steps_per_epoch=16)
    assert plan.epochs == 24
    assert [plan.lr(s) for s in (0, plan.steps - 1)] == pytest.approx([0.01, 0.001])


def test_repeated_clips_and_accumulation_work(start, tmp_path):
    short = ["MULTIGRID.LONG_CYCLE", False, "SOLVER.MAX_EPOCH", 1, "SCHEDULE.NAME", "constant"]
    run.run(start("repeated", *short, "AUG.NUM_SAMPLE", 2, "TRAIN.ACCUMULATE", 2))
    assert len(losses(tmp_path / "repeated")) >= 3


def test_two_processes_take_the_batches_of_one(start, tmp_path):
    overrides = ["BN.MODE", "frozen", "HEAD.DROPOUT", "0", "BN.ZERO_INIT", "false", "SOLVER.MAX_EPOCH", "1"]
    overrides += ["MULTIGRID.LONG_CYCLE", "false", "SCHEDULE.NAME", "constant"]
    run.run(start("one", *overrides))
    start("two")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    tool = [str(ROOT / "tools" / "run_net.py"), "--cfg", str(tmp_path / "two.yaml"), *overrides]
    subprocess.run([sys.executable, *launch, *tool], check=True, capture_output=True)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["SCHEDULE.NAME", "cosine"], "set SCHEDULE.NAME steps with STEPS and LRS, not cosine"),
        (["SCHEDULE.STEPS", [0]], "SCHEDULE.STEPS at least two"),
        (["SCHEDULE.LRS", [1]], "needs a relative lr for each"),
        (["DATA.NUM_FRAMES", 1], "raise DATA.NUM_FRAMES"),
        (["TRAIN.BATCH_SIZE", 4], "32 rows, fewer than one batch of 64; lower TRAIN.BATCH_SIZE"),
        (["TRAIN.BATCH_SIZE", 40], "32 rows, fewer than one batch of 40; lower TRAIN.BATCH_SIZE"),
        (["MODEL.NAME", "resnet50"], "takes images: set MULTIGRID.SHORT_CYCLE alone"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(start, overrides, words):
    cfg = start("wrong", *overrides)
    split = build.build_split(cfg, "train")
    with pytest.raises(ValueError, match=words) as error:
        plan = build.build_schedule(cfg, build.steps_per_epoch(cfg, len(split)))
        build.build_train_loader(cfg, split, plan)
    assert "\n" not in str(error.value)


def test_explain_says_the_phases():
    facts = explain(build.load_config(ROOT / PUBLISHED), processes=8, clips=240_000)
    phases = [facts[f"phase {number}"] for number in range(1, 14)]
    assert phases[0].startswith("epochs 0 to 73, steps 0 to ")
    assert "clips 1024 x 8 x 112 x 112 / 512 x 8 x 158 x 158 / 512 x 8 x 158 x 158, sampling rate 2 to 8" in phases[0]
    assert phases[-1].startswith("epochs 329 to 358") and "lr 0.0001 at the end" in phases[-1]
    assert facts["epochs"] == 358 and facts["clips behind a norm's statistics"] == 8 and "phase 14" not in facts
