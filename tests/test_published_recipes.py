"""Our Kinetics experiments that PySlowFast has too: the same network, and the same recipe down to every key."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fvcore.common.config import CfgNode

from videonet import build, config
from videonet.cli.translate import translate

FOLDER = Path(__file__).resolve().parents[1] / "configs" / "Kinetics"
OTHER_NAMES = {  # theirs: ours
    "CSN_32x2_R101": "IR_CSN_101",
    "SLOWFAST_16x8_R101_50_50": "SLOWFAST_16x8_R101",
    "SLOWFAST_8x8_R101_101_101": "SLOWFAST_8x8_R101",
}
RUN = {  # of a run on some machine, not of the recipe
    *("OUTPUT_DIR", "TENSORBOARD", "SEED", "DATA_LOADER.NUM_WORKERS", "TEST.BATCH_SIZE"),
    *("TRAIN.ENABLE", "TRAIN.EVAL_PERIOD", "TRAIN.CHECKPOINT_PERIOD", "TRAIN.INIT_FROM"),
}
ELSEWHERE = {"HEAD.NAME", "SCHEDULE.STEPS", "SCHEDULE.LRS", "BN.EPS"}  # compared by what they make
ALLOWED = {"SLOWFAST_16x8_R101": {"DATA.TRAIN_JITTER_SCALES"}}  # pytorchvideo's run scaled to 256 .. 360


@pytest.fixture(scope="module")
def theirs(shared: Path) -> dict[str, dict[str, Any]]:
    """Their settings of each of our files, under `ours < theirs`; several of theirs may share a name."""
    found = json.loads((shared / "facts" / "pyslowfast_configs.json").read_text())
    kinetics = {Path(name): entry["set_in_yaml"] for name, entry in found.items() if "configs/Kinetics/" in name}
    return {f"{OTHER_NAMES.get(path.stem, path.stem)} < {path}": settings for path, settings in kinetics.items()}


def translated(settings: dict[str, Any]) -> CfgNode:
    ours = json.loads(json.dumps(translate(settings)[0]))
    return config.load_text(yaml.safe_dump(ours), tables=build.tables_of)


def flat(cfg: CfgNode) -> dict[str, Any]:
    """Dotted keys, without the network's, whose tensors are compared."""
    pairs = {f"{s}.{k}": v for s, node in cfg.items() if isinstance(node, CfgNode) for k, v in node.items()}
    pairs |= {key: value for key, value in cfg.items() if not isinstance(value, CfgNode)}
    return {k: v for k, v in pairs.items() if not k.startswith("MODEL.") or k == "MODEL.NUM_CLASSES"}


def tensors(cfg: CfgNode) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: value.shape for name, value in build.build_model(cfg).state_dict().items()}


def test_every_published_experiment_is_here(theirs: dict) -> None:
    ours = {path.stem for path in FOLDER.glob("*.yaml")}
    assert {key.split(" < ")[0] for key in theirs} <= ours


def test_networks_are_the_published_ones(theirs: dict) -> None:
    for key, settings in theirs.items():
        name = key.split(" < ")[0]
        mine, their = build.load_config(FOLDER / f"{name}.yaml"), translated(settings)
        got, wanted = tensors(mine), tensors(their)
        bare = their.MODEL.get("BARE_SHORTCUT", False)  # pytorchvideo's X3D has one norm less
        if bare:
            got = {k: v for k, v in got.items() if not k.startswith("backbone.res2.0.shortcut.bn.")}
        assert got == wanted, key
        assert build.describe_config(mine)["gmacs"] == pytest.approx(build.describe_config(their)["gmacs"]), key
        assert build.build_nd(mine).bn_eps == their.BN.EPS, key


def test_recipes_are_the_published_ones(theirs: dict) -> None:
    for key, settings in theirs.items():
        name = key.split(" < ")[0]
        mine, their = build.load_config(FOLDER / f"{name}.yaml"), translated(settings)
        got, wanted = flat(mine), flat(their)
        differ = {k for k in {*got, *wanted} if got.get(k) != wanted.get(k)} - RUN - ELSEWHERE
        differ -= ALLOWED.get(name, set())
        assert not differ, (key, {k: (got.get(k), wanted.get(k)) for k in differ})
        rates = [build.build_schedule(cfg, steps_per_epoch=1000) for cfg in (mine, their)]
        for step in range(0, rates[0].steps, max(1, rates[0].steps // 97)):
            assert rates[0].lr(step) == pytest.approx(rates[1].lr(step), rel=1e-9), (key, step)


def test_networks_that_start_from_images_say_so(theirs: dict) -> None:
    for path in FOLDER.glob("*.yaml"):
        train = build.load_config(path).TRAIN
        assert bool(train.INIT_FROM) == bool(train.INFLATE) == path.stem.endswith("_IN1K"), path
