"""videonet export: the program, what it takes, and the check that it computes what the network computes."""

import json

import pytest
import torch

from tests.cli.conftest import CLASSES, TINY, save_checkpoint
from videonet.inference import open_trained
from videonet.models import program

SLOW = ["MODEL.NAME", "slow", "MODEL.DEPTH", 18, "MODEL.SCALE", 0.125, *TINY[TINY.index("DATA.NUM_FRAMES") :]]


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("slow") / "best", SLOW)


@pytest.mark.parametrize("format_", ["torch", "onnx"])
def test_the_program_gives_the_logits_of_the_checkpoint(videonet, slow, tmp_path, format_):
    out = tmp_path / "new" / "program"
    code, text, _ = videonet("export", "--checkpoint", slow, "--format", format_, "--out", out)
    assert code == 0 and "max relative error against the network" in text and "clip (batch, 3, 8, 40, 40)" in text
    card = json.loads((tmp_path / "new" / "program.json").read_text())
    assert card["classes"] == list(CLASSES) and card["inputs"] == {"clip": ["batch", 3, 8, 40, 40]}
    assert (card["channels"], card["mean"], card["sampling_rate"]) == ("RGB", [0.45] * 3, 2)
    clip = torch.randn(4, 3, 8, 40, 40)
    with torch.no_grad():
        wanted = open_trained(slow).model(clip)
    torch.testing.assert_close(program.FORMATS[format_][1](out)(clip).detach(), wanted, rtol=1e-4, atol=1e-5)


def test_a_program_that_computes_something_else_is_a_failure(videonet, slow, tmp_path, monkeypatch):
    wrong = lambda model, inputs, path: path.write_bytes(b"x"), lambda path: lambda clip: torch.ones(len(clip), 4), 0.1
    monkeypatch.setitem(program.FORMATS, "torch", wrong)
    code, _, err = videonet("export", "--checkpoint", slow, "--format", "torch", "--out", tmp_path / "x.pt2")
    assert code == 1 and "does not compute what the network does" in err


def test_a_named_network_needs_no_weights(videonet, tmp_path):
    words = ("--model", "cifar_resnet20", "--format", "torch", "--out", tmp_path / "x.pt2")
    code, text, _ = videonet("export", *words)
    assert code == 0 and "clip (batch, 3, 32, 32)" in text


def test_mistakes_are_one_line(mistake, tmp_path, slow):
    words = ("--format", "torch", "--out", tmp_path / "x")
    assert "say which network" in mistake("export", *words)
    assert "did you mean x3d_m?" in mistake("export", "--model", "x3d_mm", *words)
    assert "no such file" in mistake("export", "--checkpoint", tmp_path / "none", *words)


def test_help_has_an_example(videonet):
    code, out, _ = videonet("export", "--help")
    assert code == 0 and "--format onnx --out x3d_m.onnx" in out
