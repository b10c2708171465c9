"""videonet bench: measured figures of a network and of reading, beside other libraries where they are installed."""

import json

import numpy as np
import pytest
import torch
import yaml

from tests.cli.conftest import TINY
from videonet import build
from videonet.cli import bench_eval
from videonet.cli.bench_data import advice
from videonet.cli.bench_model import peer
from videonet.data.demo import write_demo
from videonet.data.window import Window
from videonet.inference import open_fresh


@pytest.fixture
def tiny(tmp_path):
    nested = {}
    for key, value in zip([*TINY[::2], "MODEL.NUM_CLASSES"], [*TINY[1::2], 4]):
        section, _, name = key.partition(".")
        nested[section] = value if not name else {**nested.get(section, {}), name: value}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(nested))
    return tmp_path / "tiny.yaml"


def test_figures_of_a_config(videonet, tiny):
    code, out, _ = videonet("bench", "model", "--cfg", tiny, "--batch", 2, "--repeats", 1, "--json")
    said = json.loads(out)
    described = build.describe_config(build.load_config(tiny), 32)
    assert code == 0 and (said["params"], said["gmacs"]) == (described["params"], described["gmacs"])
    assert said["input"] == [3, 8, 32, 32] and said["batch"] == 2 and "peer" not in said
    for part in ("infer", "train"):
        assert said[part]["clips_per_s"] == pytest.approx(2e3 / said[part]["ms"], rel=0.01)
    names = [row["name"] for row in said["stages"]]
    assert {"slow.res2", "fast.res5", "lateral.0", "head"} <= set(names)
    assert sum(row["share"] for row in said["stages"]) == pytest.approx(1, abs=0.01)
    assert len(said["layers"]) == 10 and said["layers"] == sorted(said["layers"], key=lambda row: -row["ms"])


def test_a_detection_network_is_measured_with_boxes(videonet, tiny):
    opts = ("--opts", "HEAD.NAME", "roi", "TASK.NAME", "action_detection", "MODEL.OUTPUT_STRIDE", 16)
    code, out, _ = videonet("bench", "model", "--cfg", tiny, "--repeats", 1, *opts)
    assert code == 0 and out.splitlines()[1].startswith("infer ") and "slowest layers" in out


def test_beside_pytorchvideo(videonet):
    pytest.importorskip("pytorchvideo")
    code, out, _ = videonet("bench", "model", "x3d_xs", "--repeats", 1)
    assert code == 0 and "x as fast as pytorchvideo" in out and "train" in out
    code, out, _ = videonet("bench", "model", "x3d_xs", "--repeats", 1, "--size", 96)
    assert "pytorchvideo was not measured: it does not run at this size" in out


def test_the_peer_of_a_slowfast_may_be_asked_twice():
    pytest.importorskip("pytorchvideo")
    fresh = open_fresh(name="slowfast_8x8_r50", device="cpu")
    work, why_not = peer(fresh, torch.zeros(1, 3, 32, 224, 224), "fp32")
    assert not why_not and work() is work() is None


def test_mistakes_are_one_line(mistake, tiny):
    assert "needs a NAME or --cfg" in mistake("bench", "model")
    assert "did you mean x3d_s?" in mistake("bench", "model", "x3d_sss")
    assert "at least 1" in mistake("bench", "model", "x3d_s", "--batch", 0)
    assert "needs a CUDA GPU" in mistake("bench", "model", "--cfg", tiny, "--find-batch")


def test_help_has_an_example(videonet):
    code, out, _ = videonet("bench", "--help")
    assert code == 0 and "videonet bench model slowfast_8x8_r50" in out


@pytest.fixture
def filmed(tiny, tmp_path):
    """The tiny config on a few clips."""
    write_demo(tmp_path / "demo", train=8, val=8, size=32, workers=1)
    place = ("DATA.PATH_TO_DATA_DIR", tmp_path / "demo", "MODEL.NUM_CLASSES", 0, "TRAIN.BATCH_SIZE", 2)
    return ("bench", "data", "--cfg", tiny, "--seconds", 0.01, "--opts", *place)


def what_is_asked(files, sampling, window, rounds):
    """In place of `peers.measure`: (frames, height, width) of the clips that the libraries would be asked for."""
    rng = np.random.default_rng(0)
    clips = np.atleast_2d(sampling(rng, 300, 30.0))
    windows = window(rng, 240, 320)
    asked = [
        (len(clip), part.out_h, part.out_w)
        for clip in clips
        for part in ([windows] if isinstance(windows, Window) else windows)
    ]
    return [{"peer": "videonet", "version": "1", "ms": 1.0, "speed": 1.0, "items": rounds, "error": "", "asked": asked}]


def test_reading_by_stage_workers_and_library(videonet, filmed, monkeypatch):
    monkeypatch.setattr("videonet.data.peers.measure", what_is_asked)
    code, out, err = videonet(*filmed, "--workers", "0,1", "--files", 2, "--views", "--json")
    said = json.loads(out)
    assert code == 0 and not err and said["rows"] == 8
    assert all(said["stages"][name] > 0 for name in ("open", "demux", "decode", "convert", "collate", "copy", "other"))
    assert said["stages"]["augment"] == 0 and set(said["workers"]) == {"0", "1"}
    assert said["model"]["videos_per_s"] > 0 and said["model"]["batch"] == 2
    assert said["peers"][0]["asked"] == [[8, 32, 32]] and said["peers"][0]["items"] == 3
    assert said["peers_views"][0]["asked"] == [[8, 40, 40]] * 2 * 3 and said["peers_views"][0]["items"] == 1
    assert "videos/s" in said["advice"] and "\n" not in said["advice"]


def test_reading_says_what_to_do(videonet, filmed):
    code, out, _ = videonet(*filmed, "AUG.RAND_AUGMENT", "2-9", "--workers", 0, "--files", 0, "--no-model")
    assert code == 0 and "augment" in out.splitlines()[-1] and "leave out the dearest of AUG" in out
    spent = {"decode": 8.0, "other": 2.0}
    waits = advice({"workers": {0: 50.0, 2: 90.0}, "stages": spent, "cores": 2, "model": {"videos_per_s": 400.0}})
    assert "decode takes 80% of a video's 10.0 ms" in waits and "NUM_WORKERS 5" in waits and "data resize" in waits
    fine = advice({"workers": {0: 50.0, 2: 90.0}, "stages": spent, "cores": 2, "model": {"videos_per_s": 80.0}})
    assert "does not wait" in fine


def test_mistakes_of_reading_are_one_line(mistake, filmed, tiny, tmp_path):
    assert "--workers is '0;2'" in mistake(*filmed, "--workers", "0;2")
    assert "--rounds at least 1" in mistake(*filmed, "--rounds", 0)
    assert "fewer than one batch of 64" in mistake(*filmed, "TRAIN.BATCH_SIZE", 64)
    assert "train.csv" in mistake("bench", "data", "--cfg", tiny, "--opts", "DATA.PATH_TO_DATA_DIR", tmp_path / "none")


def test_metrics_on_made_sets_give_what_other_libraries_do(videonet):
    code, out, _ = videonet("bench", "eval", "--share", 0.002, "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0 and {name: row["items"] for name, row in rows.items()} == {
        "views, top-k": 40,
        "mAP": 4,
        "localisation": 93,
        "AVA": 114,
    }
    for name, close in {"mAP": 1e-6, "localisation": 1e-6, "AVA": 0.01}.items():
        peer = rows[name]["peer"]
        if "error" not in peer:
            assert peer["value"] == pytest.approx(peer["our_value"], abs=close) and peer["speed"] > 0
    assert rows["views, top-k"]["seconds"] > 0 and "peer" not in rows["views, top-k"]
    code, _, err = videonet("bench", "eval", "--share", 0)
    assert code == 2 and "--share must be above 0" in err


def test_a_library_that_is_not_installed_is_said(videonet, monkeypatch):
    absent = bench_eval.Case("mAP", "rows", 10, bench_eval.make_labels, bench_eval.mean_ap, "no-such-library", len)
    monkeypatch.setattr(bench_eval, "CASES", (absent,))
    code, out, _ = videonet("bench", "eval")
    assert code == 0 and "no-such-library was not measured: it is not installed" in out
