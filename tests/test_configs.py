"""Laws over every YAML under configs/: it loads, says what it is, and builds its network."""

import re
from pathlib import Path

import pytest
import torch

from videonet import build
from videonet.config import dump, load_text

ROOT = Path(__file__).resolve().parents[1]
ALL = sorted((ROOT / "configs").rglob("*.yaml"))
EXPERIMENTS = [p for p in ALL if p.name != "base.yaml"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_experiments():
    assert len(EXPERIMENTS) > 10


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_every_experiment_builds_its_network_trains_it_and_reads_back(path):
    cfg = build.load_config(path)
    assert load_text(dump(cfg), tables=build.tables_of) == cfg
    with torch.device("meta"):
        model = build.build_model(cfg, num_classes=8)
    build.set_norms(cfg, model)
    build.build_optimizer(cfg, model)
    build.build_task(cfg)
    schedule = build.build_schedule(cfg, steps_per_epoch=100)
    rates = [schedule.lr(step) for step in range(0, schedule.steps, max(1, schedule.steps // 50))]
    times = max(phase.times for phase in schedule.phases) if cfg.MULTIGRID.LONG_CYCLE else 1
    assert max(rates) <= cfg.SOLVER.BASE_LR * times * 1.0001 and min(rates) >= 0


@pytest.mark.parametrize("path", [p for p in EXPERIMENTS if p.parent.name == "ImageNet"], ids=name)
def test_the_norm_of_a_config_is_everywhere_in_the_network(path):
    with torch.device("meta"):
        model = build.build_model(build.load_config(path, ["BN.NORM_TYPE", "group"]))
    assert not [key for key, module in model.named_modules() if "BatchNorm" in type(module).__name__]


def test_the_recipes_of_image_papers_light_with_imagenets_components():
    cfg = build.load_config(ROOT / "configs/ImageNet/RES_R152.yaml")
    (step,) = build.build_augment(cfg).steps
    assert step.keywords == {"std": 0.1, "values": (0.2175, 0.0188, 0.0045)}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_the_first_comment_says_command_cost_and_result(path):
    text = path.read_text()
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert head and text.startswith("#"), "the first comment says the command"
    assert path.name in head[0] or head[0].startswith("# make"), head[0]
    joined = " ".join(head)
    assert re.search(r"cost: ", joined) and re.search(r"result: ", joined)
    assert len(text.splitlines()) <= 30, "an experiment is about ten lines on a base"


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_the_stated_cost_is_the_networks(path):
    head = " ".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    stated = re.search(r"cost: ([\d.]+) GMACs", head)
    assert stated, "cost: N GMACs ..."
    gmacs = build.describe_config(build.load_config(path))["gmacs"]
    assert float(stated[1]) == pytest.approx(gmacs, rel=0.01, abs=0.006)
