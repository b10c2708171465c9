"""videonet convert: a checkpoint that predicts what the foreign weights predict, and configs translated."""

import json

import pytest
import torch
from torchvision.models.video import r3d_18

from tests.cli.conftest import CLASSES, save_checkpoint
from videonet import build, networks
from videonet.data.transforms import prepare
from videonet.engine.checkpoint import read
from videonet.inference import open_trained
from videonet.models.checkpoint import state_of

THEIRS = [0.43216, 0.394666, 0.37645]  # torchvision's mean
YAML = """
TRAIN: {DATASET: kinetics, BATCH_SIZE: 64}
DATA: {NUM_FRAMES: 8, SAMPLING_RATE: 8, TRAIN_CROP_SIZE: 224, TEST_CROP_SIZE: 256, INPUT_CHANNEL_NUM: [3]}
RESNET: {DEPTH: 50, NUM_BLOCK_TEMP_KERNEL: [[3], [4], [6], [3]]}
MODEL: {NUM_CLASSES: 400, ARCH: slow, MODEL_NAME: ResNet}
SOLVER: {BASE_LR: 0.1, LR_POLICY: cosine, MAX_EPOCH: 196, OPTIMIZING_METHOD: sgd}
"""


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return r3d_18(num_classes=4).eval()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory, theirs):
    folder = tmp_path_factory.mktemp("foreign")
    torch.save(theirs.state_dict(), folder / "r3d.pth")
    (folder / "names.txt").write_text("\n".join(CLASSES))
    return folder


def convert(videonet, folder, out, *more):
    words = ("--model", "r3d_18", "--classes", folder / "names.txt")
    return videonet("convert", folder / "r3d.pth", out, *words, *more)


def test_the_checkpoint_computes_what_the_weights_compute_and_knows_its_pixels(
    videonet, foreign, theirs, movie, tmp_path
):
    code, out, _ = convert(videonet, foreign, tmp_path / "new" / "r3d.pt")
    assert code == 0 and "100.0%" in out and f"4 class names, mean {THEIRS}" in out
    trained = open_trained(tmp_path / "new" / "r3d.pt")
    assert trained.classes == CLASSES and trained.cfg.DATA.MEAN == THEIRS and trained.shape.frames == 16
    pixels = torch.randint(0, 256, (1, 8, 48, 48, 3), dtype=torch.uint8)
    std = [0.22803, 0.22145, 0.216989]
    with torch.no_grad():
        wanted = theirs(prepare(pixels, None, THEIRS, std))
        torch.testing.assert_close(trained.model(trained.prepare(pixels)), wanted, rtol=1e-4, atol=1e-5)
    saved = read(tmp_path / "new" / "r3d.pt")
    assert (saved["mean"], saved["std"], saved["step"]) == (THEIRS, std, 0)
    assert len(state_of(saved)) == len(trained.model.state_dict())
    quick = ("--views", 1, "--crops", 1, "--opts", "DATA.TEST_CROP_SIZE", 48)
    code, out, _ = videonet("predict", movie, "--checkpoint", tmp_path / "new" / "r3d.pt", *quick)
    assert code == 0 and {line[8:] for line in out.splitlines()} == set(CLASSES)


def test_normalisation_may_be_said_and_what_the_source_is_known_for_is_noted(videonet, foreign, tmp_path):
    numbers = ("--mean", 0.5, 0.4, 0.3, "--std", 0.2, 0.2, 0.1)
    code, out, _ = convert(videonet, foreign, tmp_path / "a.pt", *numbers, "--json")
    said = json.loads(out)
    assert code == 0 and (said["mean"], said["std"]) == ([0.5, 0.4, 0.3], [0.2, 0.2, 0.1])
    assert "is known for mean [0.43216" in said["lines"][1]
    assert said["network"] == "r3d_18" and said["missing"] == said["left_out"] == []
    assert said["renamed"]["stem.0.weight"] == "backbone.stem.conv.weight"


def test_a_pyslowfast_config_becomes_one_of_ours(videonet, mistake, tmp_path):
    (tmp_path / "theirs.yaml").write_text(YAML)
    code, out, _ = videonet("convert", tmp_path / "theirs.yaml", tmp_path / "ours.yaml")
    assert code == 0 and "keys translated" in out
    ours = build.load_config(tmp_path / "ours.yaml")
    with torch.device("meta"):
        model = build.build_model(ours)
        named = networks.create("slow_8x8_r50")
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in named.state_dict().items()}
    assert ours.SOLVER.MAX_EPOCH == 196 and ours.DATA.NUM_FRAMES == 8
    assert "no PySlowFast config" in mistake("convert", tmp_path / "ours.yaml", tmp_path / "again.yaml")


def test_mistakes_are_one_line(mistake, foreign, tmp_path):
    source, out = foreign / "r3d.pth", tmp_path / "out.pt"
    assert "--model NAME" in mistake("convert", source, out)
    assert "write into another one" in mistake("convert", source, source, "--model", "r3d_18")
    assert "have 4 classes" in mistake("convert", source, out, "--model", "r3d_18")
    assert "fit 0 of the network's" in mistake("convert", source, out, "--model", "x3d_xs")
    assert "no such file" in mistake("convert", tmp_path / "none", out, "--model", "r3d_18")
    ours = save_checkpoint(tmp_path / "ours.pt")
    assert "is a checkpoint of ours" in mistake("convert", ours, out, "--model", "r3d_18")
    assert not out.exists()


def test_help_has_an_example(videonet):
    code, out, _ = videonet("convert", "--help")
    assert code == 0 and "videonet convert SLOWFAST.pyth" in out
