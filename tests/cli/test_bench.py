"""videonet bench model: measured figures of a config's network, beside pytorchvideo's where it has it."""

import json

import pytest
import torch
import yaml

from tests.cli.conftest import TINY
from videonet import build
from videonet.cli.bench_model import peer
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
