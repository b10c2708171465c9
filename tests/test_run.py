"""Whole runs on a few small clips: what they leave, exact resumption, several processes, and bad input."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from videonet import build, report, run
from videonet.data.demo import write_demo
from videonet.data.video import Video

ROOT = Path(__file__).resolve().parents[1]
TINY = """
MODEL: {NAME: slow, DEPTH: 18, SCALE: 0.0625}
HEAD: {NAME: classify, DROPOUT: 0.5}
DATA: {PATH_TO_DATA_DIR: '@DATA@', NUM_FRAMES: 4, SAMPLING_RATE: 2, TRAIN_CROP_SIZE: 28, TEST_CROP_SIZE: 32,
  TRAIN_JITTER_SCALES: [30, 36]}
DATA_LOADER: {NUM_WORKERS: 0}
SOLVER: {BASE_LR: 0.05, MAX_EPOCH: 2, WARMUP_EPOCHS: 0}
TRAIN: {BATCH_SIZE: 4, EVAL_PERIOD: 1, CHECKPOINT_PERIOD: 0.25, KEEP_CHECKPOINTS: 0}
TEST: {NUM_ENSEMBLE_VIEWS: 2, NUM_SPATIAL_CROPS: 3, BATCH_SIZE: 4}
LOG_PERIOD: 1
DEVICE: cpu
THREADS: 1
OUTPUT_DIR: '@OUT@'
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Sixteen clips to train on and eight to test on."""
    root = tmp_path_factory.mktemp("demo")
    write_demo(root, train=16, val=8, size=32, workers=1)
    return root


@pytest.fixture
def start(demo, tmp_path):
    """start(name, *overrides) -> the loaded config of a tiny run in tmp_path/name."""

    def start(name: str, *overrides, data: Path = demo):
        path = tmp_path / f"{name}.yaml"
        path.write_text(TINY.replace("@DATA@", str(data)).replace("@OUT@", str(tmp_path / name)))
        return build.load_config(path, overrides)

    return start


def losses(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if line["split"] == "train"}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last", weights_only=True)["model"]


def command(path: Path, *overrides: str, processes: int = 1) -> list[str]:
    """The command line of a run in its own processes."""
    tool = [str(ROOT / "tools" / "run_net.py"), "--cfg", str(path), *overrides]
    if processes == 1:
        return [sys.executable, *tool]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return [sys.executable, *launch, *tool]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def finished(demo, tmp_path_factory) -> Path:
    """The folder of one whole run, which several tests read."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "run.yaml"
    path.write_text(TINY.replace("@DATA@", str(demo)).replace("@OUT@", str(folder / "run")))
    run.run(build.load_config(path))
    return folder / "run"


def test_a_run_leaves_what_it_promises(finished, demo):
    files = {p.name for p in finished.iterdir()}
    assert {"config.yaml", "log.jsonl", "checkpoints", "result.json", "predictions.csv", "per_class.csv"} <= files
    assert {"confusion.png"} <= files and any(name.startswith("events") for name in files)
    assert {p.name for p in (finished / "checkpoints").iterdir()} >= {"last", "best", "step_000008.pt"}
    result = json.loads((finished / "result.json").read_text())
    assert result["evaluated"] == 8 and result["missing"] == [] and result["classes"] == 8
    for key in ("list_sha256", "config_sha256", "checkpoint_sha256", "versions", "views", "metric"):
        assert result[key], key
    line = json.loads((finished / "log.jsonl").read_text().splitlines()[0])
    assert set(line) >= {
        "split", "step", "epoch", "loss", "lr", "top1_err", "dt", "data_wait", "clips_per_s", "rss_mb",
    }  # fmt: skip
    saved = torch.load(finished / "checkpoints" / "last", weights_only=True)
    assert saved["classes"][0] == "left" and saved["mean"] == [0.45] * 3 and "MODEL" in saved["config"]


def test_predictions_alone_give_the_metric(finished):
    result = json.loads((finished / "result.json").read_text())
    rows = report.read_predictions(finished / "predictions.csv")
    assert len(rows) == 8 and {row["n_views"] for row in rows} == {"6"}
    assert report.summarise(rows)["top1"] == pytest.approx(result["metric"]["top1"])
    with (finished / "per_class.csv").open() as file:
        assert sum(int(row["clips"]) for row in csv.DictReader(file)) == 8


def test_the_saved_config_runs_again_to_the_same_weights(finished, tmp_path):
    cfg = build.load_config(finished / "config.yaml", ["OUTPUT_DIR", str(tmp_path / "again"), "TEST.ENABLE", False])
    run.run(cfg)
    again = weights(tmp_path / "again")
    assert all(torch.equal(value, again[key]) for key, value in weights(finished).items())


def test_killed_in_mid_epoch_and_started_again_it_ends_bit_identical(start, finished, tmp_path):
    start("killed")
    with subprocess.Popen(
        command(tmp_path / "killed.yaml", "TEST.ENABLE", "false"), env=ENVIRONMENT, stdout=subprocess.DEVNULL
    ) as process:
        until = time.time() + 60
        while not (tmp_path / "killed" / "checkpoints" / "step_000002.pt").exists() and time.time() < until:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and max(losses(tmp_path / "killed")) < 8
    subprocess.run(command(tmp_path / "killed.yaml", "TEST.ENABLE", "false"), env=ENVIRONMENT, check=True)
    whole, again = weights(finished), weights(tmp_path / "killed")
    assert all(torch.equal(value, again[key]) for key, value in whole.items())
    assert losses(tmp_path / "killed") == losses(finished)


def test_asked_to_stop_it_says_so_and_does_not_exit_as_if_it_had_finished(start, tmp_path):
    start("asked")
    long = ("SOLVER.MAX_EPOCH", "1000", "TRAIN.EVAL_PERIOD", "1000")
    with subprocess.Popen(
        command(tmp_path / "asked.yaml", *long), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        until = time.time() + 60
        while not (tmp_path / "asked" / "checkpoints" / "last").exists() and time.time() < until:
            time.sleep(0.005)
        process.terminate()
        said = process.stdout.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert re.search(r"asked to stop.* at step \d+ of 4000: saved", said) and "test of" not in said


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_score_every_view_once_with_an_equal_metric(start, finished, tmp_path, processes):
    start("many")
    overrides = ["TRAIN.ENABLE", "false", "TEST.CHECKPOINT_FILE_PATH", str(finished / "checkpoints" / "best")]
    subprocess.run(command(tmp_path / "many.yaml", *overrides, processes=processes), env=ENVIRONMENT, check=True)
    one, many = (json.loads((folder / "result.json").read_text()) for folder in (finished, tmp_path / "many"))
    assert many["metric"] == one["metric"] and many["evaluated"] == one["evaluated"] == 8
    assert (tmp_path / "many" / "predictions.csv").read_text() == (finished / "predictions.csv").read_text()


@pytest.mark.parametrize("mode", ["frozen", "sync"])
def test_two_processes_train_to_the_weights_of_one(start, tmp_path, mode):
    short = ["SOLVER.BASE_LR", "0.01", "SOLVER.MAX_EPOCH", "1", "TEST.ENABLE", "false"]  # before rounding spreads
    overrides = ["BN.MODE", mode, "BN.ZERO_INIT", "false", "HEAD.DROPOUT", "0", *short]
    run.run(start("one", *overrides))
    start("two")
    subprocess.run(command(tmp_path / "two.yaml", *overrides, processes=2), env=ENVIRONMENT, check=True)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for key, value in one.items():
        torch.testing.assert_close(value, two[key], rtol=1e-4, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")


@pytest.fixture
def damaged(demo, tmp_path) -> Path:
    """A copy of the demo whose lists name a missing, an empty, a cut and a foreign file as well."""
    root = tmp_path / "damaged"
    shutil.copytree(demo, root)
    good = next((root / "videos").iterdir()).read_bytes()
    (root / "empty.mp4").write_bytes(b"")
    (root / "text.mp4").write_text("this is no video")
    (root / "cut.mp4").write_bytes(good[: len(good) // 8])
    bad = "".join(f"{name}.mp4 {i}\n" for i, name in enumerate(("missing", "empty", "text", "cut")))
    for split in ("train", "val", "test"):
        path = root / f"{split}.csv"
        path.write_text(bad + path.read_text())
    return root


def test_bad_videos_are_counted_in_training_and_reported_missing_in_the_test(start, tmp_path, damaged, capsys):
    run.run(start("bad", "DATA.MAX_BAD", 0.9, data=damaged))
    listed = (tmp_path / "bad" / "bad.csv").read_text()
    assert all(name in listed for name in ("missing.mp4", "empty.mp4", "text.mp4", "cut.mp4"))
    assert "skipped=4" in capsys.readouterr().out
    result = json.loads((tmp_path / "bad" / "result.json").read_text())
    assert result["evaluated"] == 8 and len(result["missing"]) == 4
    assert {Path(row["path"]).stem for row in result["missing"]} == {"missing", "empty", "text", "cut"}


def test_videos_of_which_frames_are_lost_are_scored_and_listed_in_the_result(start, finished, tmp_path, monkeypatch):
    lost = property(lambda video: 2 if "_left" in video.name else 0)
    monkeypatch.setattr(Video, "missing", lost)
    weights = ["TEST.CHECKPOINT_FILE_PATH", str(finished / "checkpoints" / "last")]
    run.run(start("lost", *weights, "TRAIN.ENABLE", False))
    result = json.loads((tmp_path / "lost" / "result.json").read_text())
    assert result["evaluated"] == 8 and not result["missing"]
    assert [(Path(row["path"]).name, row["reason"]) for row in result["damaged"]] == [
        ("val_00000_left.mp4", "2 frames repeated, the file is damaged")
    ]


def test_too_many_bad_videos_stop_the_run_with_the_causes(start, damaged):
    with pytest.raises(ValueError, match=r"DATA\.MAX_BAD") as error:
        run.run(start("strict", "DATA.MAX_BAD", 0.0, data=damaged))
    assert re.search(r"missing|empty|unreadable", str(error.value)) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line, words",
    [
        ("videos/x.mp4 12", ["train.csv:1", "12", "0 to 7"]),
        ("videos/x.mp4", ["train.csv:1", "label"]),
        ("videos/x.mp4 up", ["train.csv:1", "'up'", "whole number"]),
    ],
)
def test_a_broken_list_names_file_and_line(start, demo, tmp_path, line, words):
    root = tmp_path / "lists"
    root.mkdir()
    for name in ("val.csv", "classes.txt"):
        shutil.copy(demo / name, root)
    (root / "train.csv").write_text(f"{line}\n{(demo / 'train.csv').read_text()}")
    with pytest.raises(ValueError) as error:
        run.run(start("broken", data=root))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_loss_that_is_no_number_says_where_and_why(start, tmp_path):
    with pytest.raises(ValueError) as error:
        run.run(start("nan", "SOLVER.BASE_LR", 1e30))
    assert re.search(r"step \d+", str(error.value)) and "lr" in str(error.value) and ".mp4" in str(error.value)


@pytest.mark.parametrize(
    "mistake",
    [
        ("TEST.NUM_SPATIAL_CROPS", 2),
        ("TEST.ENSEMBLE_METHOD", "mean"),
        ("TEST.SPLIT", "tset"),
        ("DATA.TEST_SPAN", "whole"),
    ],
)
def test_a_test_that_cannot_be_done_is_an_error_before_training(start, tmp_path, mistake):
    with pytest.raises(ValueError, match=str(mistake[1])):
        run.run(start("late", *mistake))
    assert not (tmp_path / "late").exists()


def test_tested_weights_that_do_not_fit_are_named_by_their_file(start, finished):
    overrides = ["TEST.CHECKPOINT_FILE_PATH", str(finished / "checkpoints" / "last"), "TRAIN.ENABLE", False]
    with pytest.raises(ValueError, match=r"checkpoints/last: the weights .* are another network's"):
        run.run(start("other", *overrides, "MODEL.DEPTH", 34))


def test_videos_shorter_than_a_clip_follow_the_policy(start, tmp_path):
    long = ["DATA.NUM_FRAMES", 64, "TRAIN.ENABLE", False, "TEST.ENABLE", False]
    cfg = start("short", *long, "DATA.SHORT_POLICY", "error")
    loader = build.build_eval_loader(cfg, build.build_split(cfg, "val"), views=False)
    assert list(loader.batches()) == [] and len(loader.missing) == 8 and loader.missing[0].reason == "too short"


def test_init_from_takes_weights_but_neither_head_nor_step(start, finished, tmp_path, capsys):
    overrides = ["TRAIN.INIT_FROM", str(finished / "checkpoints" / "last"), "SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", False]
    run.run(start("tuned", *overrides))
    text = capsys.readouterr().out
    assert "tensors loaded" in text and min(losses(tmp_path / "tuned")) == 1


def test_a_full_disk_is_one_clear_error_and_the_old_checkpoint_stays(start, tmp_path, monkeypatch):
    run.run(start("full", "SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", False))
    before = (tmp_path / "full" / "checkpoints" / "last").read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises((ValueError, OSError), match="No space left"):
        run.run(start("full", "SOLVER.MAX_EPOCH", 2, "TEST.ENABLE", False))
    assert (tmp_path / "full" / "checkpoints" / "last").read_bytes() == before


def test_the_command_line_tells_mistakes_in_one_line_and_exits_2(tmp_path):
    path = tmp_path / "typo.yaml"
    path.write_text("MODEL: {NAME: slowfast, ALHPA: 4}\n")
    done = subprocess.run(command(path), env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "typo.yaml" in done.stderr and "did you mean ALPHA?" in done.stderr
