"""Our experiments on Charades, Something-Something V2 and AVA are PySlowFast's: the same network, the same recipe."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.test_published_recipes import ELSEWHERE, RUN, flat, tensors, translated
from videonet import build

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
FOLDERS = ("AVA", "Charades", "SSv2")
UNTRAINED = ("SOLVER.", "SCHEDULE.", "TRAIN.", "DATA.TRAIN_")  # a config that only tests has no recipe to compare


@pytest.fixture(scope="module")
def theirs(shared: Path) -> dict[str, dict[str, Any]]:
    """Their settings by the path of our file."""
    found = json.loads((shared / "facts" / "pyslowfast_configs.json").read_text())
    paths = {name: Path(name) for name in found if name.startswith(tuple(f"configs/{f}/" for f in FOLDERS))}
    here = {name: CONFIGS / path.parts[1] / path.name for name, path in paths.items()}
    return {name: found[name]["set_in_yaml"] for name, path in here.items() if path.is_file()}


def ours(name: str) -> Path:
    return CONFIGS / Path(name).parts[1] / Path(name).name


def test_every_experiment_here_is_theirs_too(theirs: dict) -> None:
    mine = {path for folder in FOLDERS for path in (CONFIGS / folder).glob("*.yaml") if path.stem != "base"}
    assert mine == {ours(name) for name in theirs} and len(mine) > 10


def test_networks_are_the_published_ones(theirs: dict) -> None:
    for name, settings in theirs.items():
        mine, their = build.load_config(ours(name)), translated(settings)
        assert tensors(mine) == tensors(their), name
        costs = [build.describe_config(cfg)["gmacs"] for cfg in (mine, their)]
        assert costs[0] == pytest.approx(costs[1]), name
        with torch.device("meta"):
            assert build.build_model(mine).activation == build.build_model(their).activation, name


def test_recipes_are_the_published_ones(theirs: dict) -> None:
    for name, settings in theirs.items():
        mine, their = build.load_config(ours(name)), translated(settings)
        got, wanted = flat(mine), flat(their)
        differ = {k for k in {*got, *wanted} if got.get(k) != wanted.get(k)} - RUN - ELSEWHERE
        if not their.TRAIN.ENABLE:
            differ = {k for k in differ if not k.startswith(UNTRAINED)}
        assert not differ, (name, {k: (got.get(k), wanted.get(k)) for k in differ})
        if their.TRAIN.ENABLE:
            rates = [build.build_schedule(cfg, steps_per_epoch=1000) for cfg in (mine, their)]
            for step in range(0, rates[0].steps, max(1, rates[0].steps // 97)):
                assert rates[0].lr(step) == pytest.approx(rates[1].lr(step), rel=1e-9), (name, step)
