"""Whole runs on made sets: boxes, several labels and directions are learned by the one command, and scored once."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import made_sets
from videonet import build, report, run
from videonet.cli.evaluate import evaluate_files

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
RECIPE = """
MODEL: {NAME: slowfast, DEPTH: 18, ALPHA: 4, BETA_INV: 2, FUSION_KERNEL: 5, SCALE: 0.25}
DATA_LOADER: {NUM_WORKERS: 0}
TENSORBOARD: false
DEVICE: cpu
LOG_PERIOD: 20
OUTPUT_DIR: '@OUT@'
"""
CLIPS = """
HEAD: {NAME: classify, DROPOUT: 0.0}
MODEL: {NUM_CLASSES: 4}
DATA: {NAME: @NAME@, PATH_TO_DATA_DIR: '@DATA@', NUM_FRAMES: 8, SAMPLING_RATE: 1, TRAIN_CROP_SIZE: 32,
  TEST_CROP_SIZE: 32, TRAIN_JITTER_SCALES: [32, 36], RANDOM_FLIP: false}
SOLVER: {BASE_LR: 0.1, MAX_EPOCH: 12, WARMUP_EPOCHS: 1}
TRAIN: {BATCH_SIZE: 8, EVAL_PERIOD: 12, CHECKPOINT_PERIOD: 12}
"""
BOXES = """
HEAD: {NAME: roi, DROPOUT: 0.0}
TASK: {NAME: action_detection}
MODEL: {NUM_CLASSES: 5, OUTPUT_STRIDE: 16}
DATA: {NAME: @NAME@, PATH_TO_DATA_DIR: '@DATA@', NUM_FRAMES: 8, SAMPLING_RATE: 2, TRAIN_CROP_SIZE: 64,
  TEST_CROP_SIZE: 64, TRAIN_JITTER_SCALES: [64, 72], RANDOM_FLIP: false, DETECTION_SCORE_THRESH: 0.8, VAL_EVERY: 1}
SOLVER: {BASE_LR: 0.05, MAX_EPOCH: 5, WARMUP_EPOCHS: 0.5}
TRAIN: {BATCH_SIZE: 8, EVAL_PERIOD: 1, CHECKPOINT_PERIOD: 100}
TEST: {BATCH_SIZE: 8, NUM_ENSEMBLE_VIEWS: 1, NUM_SPATIAL_CROPS: 1}
"""


def write_config(folder: Path, text: str, name: str, data: Path) -> Path:
    """A config of a made set on the shared recipe, whose run goes to folder/run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(RECIPE.replace("@OUT@", str(folder / "run")))
    path = folder / "set.yaml"
    path.write_text("_BASE_: recipe.yaml" + text.replace("@NAME@", name).replace("@DATA@", str(data)))
    return path


def figures(folder: Path, split: str = "val") -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["split"] == split]


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def launch(path: Path, *overrides: object, processes: int = 1) -> None:
    """The command, in its own process or several."""
    tool = [str(ROOT / "tools" / "run_net.py"), "--cfg", str(path), *map(str, overrides)]
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    subprocess.run([sys.executable, *(several if processes > 1 else ()), *tool], env=ENVIRONMENT, check=True)


# Boxes


@pytest.fixture(scope="module")
def ava(tmp_path_factory) -> Path:
    """A small AVA in PySlowFast's files."""
    root = tmp_path_factory.mktemp("ava")
    made_sets.write_ava(root, {"train": 180, "val": 36})
    return root


@pytest.fixture(scope="module")
def detection(ava, tmp_path_factory) -> Path:
    """The config of a finished short run on it."""
    path = write_config(tmp_path_factory.mktemp("detection"), BOXES, "ava", ava)
    run.run(build.load_config(path))
    return path


def direction(clip: torch.Tensor, box: torch.Tensor) -> int | None:
    """-1, 0 or 1, as what is in a box of the middle moves left, not, or right from 4 frames before it to 4 after it.

    So far apart, a jump and a word are where they were. None where the crop cuts the surroundings.
    """
    x1, y1, x2, y2 = box.round().int().tolist()
    if x1 < 4 or x2 > clip.shape[-1] - 4:
        return None
    before, after = clip[:, 2, y1:y2], clip[:, 6, y1:y2]
    ways = (before[..., x1 - step : x2 - step] - after[..., x1 + step : x2 + step] for step in (-4, 0, 4))
    return int(np.argmin([float(way.abs().mean()) for way in ways])) - 1


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("split", ["train", "val"])
def test_what_reaches_the_network_shows_in_each_box_what_its_labels_say(ava, tmp_path, split, flip):
    given = ["DATA.RANDOM_FLIP", flip, "DATA.TEST_FORCE_FLIP", flip, "DATA.TEST_PREDICT_BOX_LISTS", []]
    cfg = build.load_config(write_config(tmp_path, BOXES, "ava", ava), given)
    loader = build.build_eval_loader(cfg, build.build_split(cfg, "val"), views=True)
    batches = loader.dataset.batches(loader.batches(), 8, "cpu")
    if split == "train":
        batches = build.build_train_loader(cfg, build.build_split(cfg, "train")).batches(0, 12)
    prepare, seen, mirrored = build.build_prepare(cfg, torch.device("cpu"), build.build_task(cfg)), 0, set()
    for batch in batches:
        (clip, boxes), target = prepare(batch)
        for (item, *_), box, labels in zip(boxes.int().tolist(), boxes[:, 1:], target):
            found, turned = direction(clip[item], box), bool(batch["flip"][item])
            if found is not None:
                assert found == (labels[2] - labels[1]) * (-1 if turned else 1)
                seen, mirrored = seen + 1, mirrored | {turned}
    assert seen > 50 and mirrored == ({False, True} if flip and split == "train" else {flip})


def test_detection_learns(detection):
    course = [line["mAP"] for line in figures(detection.parent / "run")]
    assert course[0] < 0.65 and course[-1] > course[0] + 0.1 and course[-1] > 0.65, course
    losses = [line["loss"] for line in figures(detection.parent / "run", "train")]
    assert losses[-1] < 0.8 * losses[0]
    assert all("loss" not in line for line in figures(detection.parent / "run")), "boxes of a detector have no labels"


def test_a_test_of_detection_leaves_figures_that_its_boxes_confirm(detection, ava):
    folder, notes = detection.parent / "run", ava / "annotations"
    facts = result(folder)
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["video", "t_sec", "x1", "y1", "x2", "y2", "label", "score", "person"]
    boxes = {(row["video"], row["t_sec"], row["x1"], row["y1"]) for row in rows}
    assert facts["evaluated"] == len(boxes) == facts["statistics"]["detected_boxes"]
    assert facts["statistics"]["keyframes_with_both"] == 36 and facts["missing"] == []
    labels = notes / "ava_action_list_v2.2_for_activitynet_2019.pbtxt"
    again = evaluate_files(notes / "ava_val_v2.2.csv", folder / "predictions.csv", labels)
    assert again["mAP"] == pytest.approx(facts["metric"]["mAP"], abs=0.01), "scores below 0.001 are not listed"
    with (folder / "per_class.csv").open() as file:
        aps = [float(row["ap"]) for row in csv.DictReader(file)]
    assert np.mean(aps) == pytest.approx(facts["metric"]["mAP"]) and len(aps) == 5


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.nightly)])
def test_detection_scores_every_box_once_at_any_number_of_processes(detection, tmp_path, processes):
    folder = detection.parent / "run"
    tested = ["TRAIN.ENABLE", "false", "TEST.CHECKPOINT_FILE_PATH", folder / "checkpoints" / "best"]
    launch(detection, "OUTPUT_DIR", tmp_path / "run", "TEST.BATCH_SIZE", 3, *tested, processes=processes)
    one, many = result(folder), result(tmp_path / "run")
    assert many["evaluated"] == one["evaluated"] and many["metric"] == one["metric"]


def test_missing_and_damaged_films_are_counted_by_their_boxes(detection, ava, tmp_path):
    root = tmp_path / "ava"
    shutil.copytree(ava, root)
    shutil.rmtree(root / "frames" / "val0003")
    next((root / "frames" / "val0004").iterdir()).unlink()
    folder = detection.parent / "run"
    tested = ["TRAIN.ENABLE", False, "TEST.CHECKPOINT_FILE_PATH", str(folder / "checkpoints" / "best")]
    place = ["DATA.PATH_TO_DATA_DIR", str(root), "OUTPUT_DIR", str(tmp_path / "run")]
    facts = run.test(build.load_config(detection, [*tested, *place]))
    assert facts["missing"] == [{"path": f"val0003@{second}", "reason": "missing"} for second in (902, 903, 904)]
    assert result(folder)["evaluated"] - facts["evaluated"] >= 6, "two people or three at each"
    assert facts["statistics"]["keyframes_with_both"] == 33
    assert facts["metric"]["mAP"] < result(folder)["metric"]["mAP"], "what was not scored was not found"


def test_plain_boxes_of_any_videos_train_and_test(tmp_path):
    made_sets.write_boxes(tmp_path / "data", {"train": 16, "val": 6}, fps=15)
    path = write_config(tmp_path, BOXES, "boxes", tmp_path / "data")
    run.run(build.load_config(path, ["SOLVER.MAX_EPOCH", 1, "DATA.RANDOM_FLIP", True, "TRAIN.ACCUMULATE", 2]))
    facts = result(tmp_path / "run")
    assert facts["evaluated"] == facts["statistics"]["truth_boxes"] and 0 < facts["metric"]["mAP"] <= 1
    assert "loss" in figures(tmp_path / "run")[0], "annotated boxes have labels"
    again = evaluate_files(
        tmp_path / "data" / "val.csv", tmp_path / "run" / "predictions.csv", tmp_path / "data" / "classes.txt"
    )
    assert again["mAP"] == pytest.approx(facts["metric"]["mAP"], abs=0.01)


@pytest.mark.nightly
def test_ava_is_learned_through_the_command(tmp_path):
    made_sets.write_ava(tmp_path / "ava", {"train": 900, "val": 150})
    path = write_config(tmp_path, BOXES, "ava", tmp_path / "ava")
    launch(path, "SOLVER.MAX_EPOCH", 8, "TRAIN.EVAL_PERIOD", 8)
    assert result(tmp_path / "run")["metric"]["mAP"] >= 0.9


# Several labels, and directions


@pytest.fixture(scope="module")
def charades(tmp_path_factory) -> Path:
    """The config of a finished run on a small Charades."""
    folder = tmp_path_factory.mktemp("charades")
    made_sets.write_charades(folder / "data", {"train": 160, "val": 48})
    more = "TASK: {NAME: multi_label}\nTEST: {NUM_ENSEMBLE_VIEWS: 6, NUM_SPATIAL_CROPS: 1, ENSEMBLE_METHOD: max}\n"
    path = write_config(folder, CLIPS + more, "charades", folder / "data")
    path.write_text(
        path.read_text().replace("RANDOM_FLIP", f"PATH_PREFIX: '{folder / 'data' / 'frames'}', RANDOM_FLIP")
    )
    run.run(build.load_config(path))
    return path


def test_several_labels_are_learned(charades, capsys):
    facts = result(charades.parent / "run")
    assert facts["metric"]["mAP"] > 0.75 and facts["evaluated"] == 48, "two of four labels by chance; else 0.89 to 1"
    said = report.write_report(charades.parent / "run")
    assert said["mAP"] == pytest.approx(facts["metric"]["mAP"]), "all scores are in predictions.csv"
    assert {row["name"] for row in said["per_class"]} == set(made_sets.MOTIONS)


def test_the_ensemble_rule_matters_and_an_unusual_one_is_told(charades, tmp_path, capsys):
    cfg = alone(charades, tmp_path, "TEST.ENSEMBLE_METHOD", "sum")
    facts = run.test(cfg)
    assert "published are max" in capsys.readouterr().out
    assert facts["metric"]["mAP"] != result(charades.parent / "run")["metric"]["mAP"]


def test_actions_are_found_in_time(charades, tmp_path):
    facts = run.test(alone(charades, tmp_path, "DATA.LOCALISE", True, "TEST.NUM_ENSEMBLE_VIEWS", 10))
    assert facts["evaluated"] == 480 and set(facts["metric"]) == {"mAP", "wAP"} and facts["metric"]["mAP"] > 0.65
    rows = report.read_predictions(tmp_path / "run" / "predictions.csv")
    assert [row["path"] for row in rows[:2]] == ["val0000#0", "val0000#1"] and rows[0]["label"] != rows[9]["label"]


@pytest.fixture(scope="module")
def ssv2(tmp_path_factory) -> Path:
    """The config of a finished run on a small Something-Something V2."""
    folder = tmp_path_factory.mktemp("ssv2")
    path = directions(folder, {"train": 320, "validation": 48})
    run.run(build.load_config(path, ["SOLVER.MAX_EPOCH", 6]))
    return path


def directions(folder: Path, videos: dict[str, int]) -> Path:
    """The config of a Something-Something V2 of so many videos."""
    made_sets.write_ssv2(folder / "data", videos)
    more = "TEST: {NUM_ENSEMBLE_VIEWS: 2, NUM_SPATIAL_CROPS: 1}\n"
    return write_config(folder, CLIPS.replace("BASE_LR: 0.1", "BASE_LR: 0.05") + more, "ssv2", folder / "data")


def test_directions_are_learned(ssv2):
    facts = result(ssv2.parent / "run")
    assert facts["metric"]["top1"] > 60 and facts["views"]["clips"] == 2, "chance is 25 %; other seeds give 79 to 100"
    rows = report.read_predictions(ssv2.parent / "run" / "predictions.csv")
    assert {row["label_name"] for row in rows} == {t.replace("[", "").replace("]", "") for t in made_sets.TEMPLATES}


def test_an_incomplete_set_is_tested_where_max_bad_allows_it(ssv2, tmp_path):
    shutil.copytree(ssv2.parent / "data", tmp_path / "data")
    for name in ("1003", "1017"):
        (tmp_path / "data" / f"{name}.mp4").unlink()
    place = ["DATA.PATH_TO_DATA_DIR", str(tmp_path / "data")]
    with pytest.raises(ValueError, match=r"2 of 48 videos are not in .*: 1003, 1017; DATA.MAX_BAD 0.01 lets 0"):
        run.test(alone(ssv2, tmp_path, *place))
    facts = run.test(alone(ssv2, tmp_path, *place, "DATA.MAX_BAD", 0.05))
    assert facts["evaluated"] == 46 and [Path(row["path"]).stem for row in facts["missing"]] == ["1003", "1017"]
    assert {row["reason"] for row in facts["missing"]} == {"missing"}


@pytest.mark.nightly
def test_directions_are_learned_through_the_command(tmp_path):
    path = directions(tmp_path, {"train": 400, "validation": 48})
    launch(path)
    assert result(tmp_path / "run")["metric"]["top1"] >= 90


@pytest.mark.nightly
@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("kind", ["charades", "ssv2"])
def test_every_view_is_scored_once_at_any_number_of_processes(kind, processes, request, tmp_path):
    path = request.getfixturevalue(kind)
    tested = ["TRAIN.ENABLE", "false", "TEST.CHECKPOINT_FILE_PATH", path.parent / "run" / "checkpoints" / "best"]
    launch(path, "OUTPUT_DIR", tmp_path / "run", *tested, processes=processes)
    one, many = result(path.parent / "run"), result(tmp_path / "run")
    assert many["evaluated"] == one["evaluated"] == 48 and many["views"] == one["views"]
    assert many["metric"] == pytest.approx(one["metric"]) and many["missing"] == []


def alone(path: Path, tmp_path: Path, *overrides: object):
    """The config of a test alone, of the weights of a finished run."""
    best = str(path.parent / "run" / "checkpoints" / "best")
    more = ["OUTPUT_DIR", str(tmp_path / "run"), "TEST.CHECKPOINT_FILE_PATH", best, "TRAIN.ENABLE", False]
    return build.load_config(path, [*more, *overrides])


# Mistakes


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["TASK.NAME", "multi_label", "HEAD.NAME", "classify"], ["DATA.NAME ava", "set TASK.NAME action_detection"]),
        (["HEAD.NAME", "classify"], ["TASK.NAME is action_detection", "HEAD.NAME roi"]),
        (["MODEL.OUTPUT_STRIDE", 32], ["HEAD.STRIDE is 16", "stride 32", "MODEL.OUTPUT_STRIDE 16"]),
        (["TEST.NUM_ENSEMBLE_VIEWS", 10, "TRAIN.ENABLE", False], ["not 10 x 1", "TEST.NUM_ENSEMBLE_VIEWS 1"]),
        (["AUG.RAND_AUGMENT", "2-9"], ["AUG.RAND_AUGMENT", "boxes"]),
    ],
)
def test_settings_that_do_not_fit_say_what_to_set(ava, detection, tmp_path, overrides, words):
    cfg = build.load_config(detection, ["OUTPUT_DIR", str(tmp_path / "run"), *overrides])
    if not cfg.TRAIN.ENABLE:
        cfg = alone(detection, tmp_path, *overrides)
    with pytest.raises(ValueError) as error:
        run.run(cfg)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value), str(error.value)
