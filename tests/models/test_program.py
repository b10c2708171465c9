"""Exported programs compute what the network computes, for any number of items, in every family."""

import builtins

import pytest
import torch

from videonet import networks
from videonet.models import program
from videonet.models.heads import Roi
from videonet.models.network import Network, last_channels
from videonet.models.program import FORMATS, example, relative_error

SMALL = {"depth": 18, "scale": 0.125}
FAMILIES = {
    "slow_8x8_r50": SMALL,
    "c2d_8x8_r50": SMALL,
    "slowfast_8x8_r50": SMALL,
    "i3d_nln_8x8_r50": {"scale": 0.125},
    "x3d_m": {"depth": 1.0, "width": 1.0},
    "ir_csn_50": {},
    "r2plus1d_18": {},
    "resnet18": {},
}
QUICK = ("torch-slowfast_8x8_r50",)  # tests/cli/test_export.py does another one in both formats
CASES = [
    pytest.param(
        format_, name, id=f"{format_}-{name}", marks=[] if f"{format_}-{name}" in QUICK else pytest.mark.nightly
    )
    for format_ in FORMATS
    for name in FAMILIES
]


def check(model, format_, size, path, people=0):
    save, load, limit = FORMATS[format_]
    save(model, example(size, people=people), path)
    run = load(path)
    for batch in (1, 2, 5):
        assert relative_error(model, run, example(size, batch=batch, people=people)) < limit


@pytest.mark.parametrize(("format_", "name"), CASES)
def test_a_program_is_the_network(tmp_path, format_, name):
    torch.manual_seed(0)
    model = networks.create(name, num_classes=5, **FAMILIES[name]).eval()
    size = (3, 64, 64) if networks.NETWORKS[name].dims == 2 else (3, 8, 64, 64)
    check(model, format_, size, tmp_path / "program")


@pytest.mark.parametrize("format_", ["torch", pytest.param("onnx", marks=pytest.mark.nightly)])
def test_a_detection_network_takes_boxes(tmp_path, format_):
    backbone = networks.create("slow_8x8_r50", num_classes=None, output_stride=16, **SMALL)
    model = Network(backbone, Roi(last_channels(backbone), 5), activation="sigmoid").eval()
    check(model, format_, (3, 8, 64, 64), tmp_path / "program", people=3)


def test_a_wrong_program_is_noticed():
    model = networks.create("cifar_resnet20", num_classes=5).eval()
    inputs = example((3, 32, 32))
    assert relative_error(model, lambda clip: model(clip) + 1, inputs) > 0.1
    assert relative_error(model, lambda clip: model(clip)[:1], inputs) == float("inf")
    assert relative_error(model, lambda clip: model(clip) * torch.nan, inputs) == float("inf")


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else builtins.object())
    with pytest.raises(ValueError, match=r"onnxscript is not installed; .*pip install 'videonet\[export\]'"):
        program.save_onnx(torch.nn.Identity(), example((3, 8, 8)), tmp_path / "x.onnx")


def test_boxes_lie_in_the_clip():
    clip, boxes = example((3, 4, 32, 48), batch=2, people=3)
    assert clip.shape == (2, 3, 4, 32, 48) and boxes[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert (boxes[:, 1:3] >= 0).all() and (boxes[:, 3:] > boxes[:, 1:3]).all()
    assert (boxes[:, 3] <= 48).all() and (boxes[:, 4] <= 32).all()
