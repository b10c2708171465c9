"""Weight files: what is recognised and filled, and one clear line for everything else."""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.models import golden
from videonet.models.checkpoint import WeightsError, read_weights
from videonet.models.image import VARIANTS as IMAGES
from videonet.models.names import TABLES
from videonet.models.video import VARIANTS
from videonet.models.weights import fold_split_norms, load_weights, match_state


def small(classes: int = 5, **settings) -> nn.Module:
    return VARIANTS["slow_8x8_r50"](classes, depth=18, scale=1 / 8, **settings)


def scrambled(seed: int = 0) -> nn.Module:
    """A small network whose tensors are all different."""
    torch.manual_seed(seed)
    model = small()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor))
    return model


def assert_same(model: nn.Module, other: nn.Module) -> None:
    for (name, one), two in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0, msg=name)


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text and len(text) < 1500
    return text


# --- sources


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3},
        lambda state: {"model": {f"_orig_mod.{k}": v for k, v in state.items()}},
        lambda state: {"format": "videonet checkpoint 1", "model": state, "ema": None},
    ],
    ids=["bare", "data parallel", "compiled", "checkpoint"],
)
def test_own_weights_come_back_whole_in_any_wrapper(tmp_path: Path, wrap) -> None:
    source, model = scrambled(), small()
    torch.save(wrap(source.state_dict()), tmp_path / "w.pt")
    report = load_weights(model, tmp_path / "w.pt")
    assert report.source == "videonet" and not report.renamed and report.matched == 1
    source.load_state_dict({k: v for k, v in model.state_dict().items()})
    assert_same(model, source)


def test_a_checkpoint_gives_the_average_that_was_evaluated() -> None:
    raw, average, model = scrambled(1), scrambled(2), small()
    ema = {"n_averaged": torch.tensor(4), **{f"module.{k}": v for k, v in average.state_dict().items()}}
    load_weights(model, {"format": "videonet checkpoint 1", "model": raw.state_dict(), "ema": ema})
    assert torch.equal(model.head.fc.weight, average.head.fc.weight)


def test_a_backbone_takes_a_networks_weights_without_the_head() -> None:
    source, backbone = scrambled(), small(None)
    load_weights(backbone, source.state_dict())
    assert_same(backbone, source.backbone)


def test_a_network_takes_a_backbones_weights_and_keeps_its_head() -> None:
    source, model = scrambled(), small()
    with pytest.raises(WeightsError, match="leave 2 tensors without a place .*: head.fc.weight: not in the file"):
        load_weights(model, source.backbone.state_dict())
    assert load_weights(model, source.backbone.state_dict(), strict=False).missing == ["head.fc.weight", "head.fc.bias"]
    assert_same(model.backbone, source.backbone)


@pytest.mark.parametrize(
    "key, words",
    [
        ("layer0.conv1.weight", "SE-ResNets stride the first 1x1 (stride_on: pointwise), its SE-ResNeXts the 3x3"),
        ("layer1.0.se.fc1.weight", "resnext with se_ratio 16"),
        ("blocks.1.res_blocks.0.branch2.norm_b.0.weight", "bare_shortcut"),
    ],
)
def test_what_no_file_says_of_its_network_is_in_a_note(key: str, words: str) -> None:
    state = {name: torch.zeros(1) for name in ("layer1.0.conv1.weight", key)}
    assert words in match_state(small(), state)[1].note


@pytest.mark.parametrize(
    "file", ["I3D_NLN_8x8_R50", "SLOW_8x8_R50", "SLOWFAST_8x8_R50", "SLOWFAST_NLN_16x8_R101_50_50"]
)
def test_caffe2_names_are_those_of_the_network_ported_from_them(shared: Path, file: str) -> None:
    file = f"Kinetics__c2__{file}"
    case = next(c for c in golden.CASES if c.file == file)
    pairs = golden.read(shared / golden.FOLDER / "caffe2_names.json")[file]["pairs"]
    shapes = golden.need(shared, case)["state_dict"]
    with torch.device("meta"):
        model = case.build(400)
        _, ported = match_state(model, {k: torch.empty(shape) for k, shape in shapes.items()})
        _, report = match_state(model, {name: torch.empty(shapes[key]) for name, key in pairs.items()})
    assert report.source == "Caffe2" and not report.problems()
    assert {pairs[name]: ours for name, ours in report.renamed.items()} == ported.renamed


def vmz_name(key: str, starts: list[int], preserved: bool) -> str:
    """VMZ's Caffe2 name of one of our keys of a CSN (blocks are counted through the network)."""
    part = {"running_mean": "rm", "running_var": "riv", "weight": "s", "bias": "b"}[key.rsplit(".", 1)[1]]
    if key.startswith("head"):
        return f"last_out_L400_{'w' if key.endswith('weight') else 'b'}"
    if ".stem." in key:
        return "conv1_w" if ".conv." in key else f"conv1_spatbn_relu_{part}"
    stage, block, rest = re.fullmatch(r"backbone\.res(\d)\.(\d+)\.(.*)\.\w+", key).groups()
    number = starts[int(stage) - 2] + int(block)
    if rest.startswith("shortcut"):
        return f"shortcut_projection_{number}_" + ("w" if rest.endswith("conv") else f"spatbn_{part}")
    last = "3" if preserved else "4"
    place = {"conv1": "1", "bn1": "1", "conv3": last, "bn3": last, "conv2": "3", "bn2": "3"}
    place |= {"mix.conv1": "2_middle", "mix.bn1": "2_middle", "mix.conv2": "2", "mix.bn2": "2"}
    return f"comp_{number}_conv_{place[rest]}_w" if "conv" in rest else f"comp_{number}_spatbn_{place[rest]}_{part}"


@pytest.mark.parametrize("name", ["ir_csn_50", "ip_csn_50"])
def test_vmz_caffe2_files_count_their_blocks_through_the_network(name: str) -> None:
    with torch.device("meta"):
        model = VARIANTS[name]()
    wanted = {k: v for k, v in model.state_dict().items() if not k.endswith("tracked")}
    foreign = {vmz_name(k, [0, 3, 7, 13], name.startswith("ip")): k for k in wanted}
    assert len(foreign) == len(wanted)
    _, report = match_state(model, {theirs: wanted[ours] for theirs, ours in foreign.items()})
    assert report.source == "VMZ (Caffe2)" and not report.problems() and report.renamed == foreign


def test_a_caffe2_pickle_is_read_and_filled(tmp_path: Path) -> None:
    source, model = scrambled(), small()
    ours = {k: v for k, v in source.state_dict().items() if not k.endswith("tracked")}
    suffix = {"running_mean": "bn_rm", "running_var": "bn_riv", "weight": "bn_s", "bias": "bn_b"}
    blobs = {"lr": np.float32(0.1), "conv1_w_momentum": np.zeros(3, np.float32)}
    for key, value in ours.items():
        name, part = key.removeprefix("backbone.").rsplit(".", 1)
        norm = re.search(r"(bn\d?)$", name)
        name = re.sub(r"^res(\d)\.(\d+)\.", r"res\1_\2_", name).replace("shortcut.conv", "branch1")
        name = name.replace("shortcut.bn", "branch1").replace("stem.conv", "conv1").replace("stem.bn", "res_conv1")
        for digit, letter in zip("123", "abc"):
            name = name.replace(f"conv{digit}", f"branch2{letter}") if "_" in name else name
            name = name.replace(f"bn{digit}", f"branch2{letter}")
        name = name.replace("res_branch2a", "res_conv1").replace("head.fc", "pred")
        blobs[f"{name}_{suffix[part] if norm else part[0]}"] = value.numpy()
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    report = load_weights(model, path)
    assert report.source == "Caffe2" and not report.problems()
    assert torch.equal(model.backbone.res4[1].bn2.running_var, source.backbone.res4[1].bn2.running_var)
    assert torch.equal(model.head.fc.weight, source.head.fc.weight)


def test_split_statistics_fold_into_those_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    batch = torch.randn(12, 3) * 2 + 1
    splits = batch.reshape(4, 3, 3)
    folded = fold_split_norms(
        {
            "s.bn.weight": torch.ones(3),
            "s.bn.bn.running_mean": torch.zeros(3),
            "s.bn.bn.running_var": torch.zeros(3),
            "s.bn.split_bn.running_mean": splits.mean(1).flatten(),
            "s.bn.split_bn.running_var": splits.var(1, unbiased=False).flatten(),
        }
    )
    assert set(folded) == {"s.bn.weight", "s.bn.running_mean", "s.bn.running_var"}
    torch.testing.assert_close(folded["s.bn.running_mean"], batch.mean(0))
    torch.testing.assert_close(folded["s.bn.running_var"], batch.var(0, unbiased=False))


def test_mmaction2s_slowfast_is_refused_with_the_reason() -> None:
    with torch.device("meta"):
        model = VARIANTS["slowfast_4x16_r50"]()
    state = {}
    for key, value in model.state_dict().items():
        key = re.sub(r"^backbone\.lateral\.0\.", "backbone.slow_path.conv1_lateral.", key)
        key = re.sub(r"^backbone\.lateral\.(\d)\.", r"backbone.slow_path.layer\1_lateral.", key)
        key = re.sub(r"^backbone\.(slow|fast)\.", r"backbone.\1_path.", key).replace(".stem.", ".conv1.")
        key = re.sub(r"\.res(\d)\.", lambda m: f".layer{int(m[1]) - 1}.", key).replace("shortcut", "downsample")
        key = re.sub(r"\.(conv|bn)(\d)\.(?=\w+$)", r".conv\2.\1.", key).replace("head.fc.", "cls_head.fc_cls.")
        if not re.search(r"lateral\.bn", key):
            state[key] = value
    _, report = match_state(model, state)
    assert report.source == "mmaction2" and "laterals without norm" in report.note
    assert not report.left_out and all(".lateral." in key and ".bn." in key for key in report.missing)
    with pytest.raises(WeightsError, match="laterals without norm") as error:
        load_weights(model, state)
    one_line(error)


MMACTION2_X3D = (
    (r"^backbone\.stem\.conv_xy\.", "backbone.conv1_s.conv."),
    (r"^backbone\.stem\.conv_t\.", "backbone.conv1_t.conv."),
    (r"^backbone\.stem\.bn\.", "backbone.conv1_t.bn."),
    (r"^backbone\.end\.", "backbone.conv5."),
    (r"\.(conv|bn)(\d)\.(?=\w+$)", r".conv\2.\1."),
    (r"\.gate2\.", ".se_module."),
    (r"\.shortcut\.", ".downsample."),
    (r"^head\.lin\.", "cls_head.fc1."),
    (r"^head\.fc\.", "cls_head.fc2."),
)


def test_mmaction2s_x3d_and_non_local_blocks_find_their_places() -> None:
    with torch.device("meta"):
        x3d, slow = VARIANTS["x3d_s"](), VARIANTS["slow_nln_8x8_r50"]()
    for model, rules in ((x3d, MMACTION2_X3D), (slow, MMACTION2_X3D[4:7])):
        state = {}
        for key, value in model.state_dict().items():
            for pattern, replacement in rules:
                key = re.sub(pattern, replacement, key)
            key = re.sub(r"\.res(\d)\.", lambda m: f".layer{int(m[1]) - 1}.", key).replace(".stem.", ".conv1.")
            key = re.sub(
                r"^head\.fc\.", "cls_head.fc_cls.", re.sub(r"\.context\.(phi|g)\.", r".non_local_block.\1.0.conv.", key)
            )
            key = key.replace(".context.theta.", ".non_local_block.theta.conv.")
            key = key.replace(".context.out.", ".non_local_block.conv_out.conv.")
            state[key.replace(".context.bn.", ".non_local_block.conv_out.bn.")] = value
        _, report = match_state(model, state)
        assert report.source == "mmaction2" and not report.problems()


def test_what_a_file_does_not_say_is_in_the_report(shared: Path) -> None:
    case = next(c for c in golden.CASES if "CSN" in c.file)
    shapes = golden.need(shared, case)["state_dict"]
    state = {k: torch.empty(shape, device="meta") for k, shape in shapes.items()}
    with torch.device("meta"):
        fitting, other = case.build(400), VARIANTS["ir_csn_101"]()
    report = load_weights(fitting, state)
    assert report.facts == {"mean": (0.45,) * 3, "std": (0.225,) * 3, "bn_eps": 1e-5} and not report.note
    assert "epsilon of 1e-05, the network's 0.001" in load_weights(other, state).note


def test_contrastive_pretraining_puts_backbone_before_pyslowfasts_names(shared: Path) -> None:
    case = next(c for c in golden.CASES if c.file == "Kinetics__SLOW_8x8_R50")
    shapes = golden.need(shared, case)["state_dict"]
    with torch.device("meta"):
        model = case.build(400)
        state = {f"backbone.{k}": torch.empty(shape) for k, shape in shapes.items() if k.startswith("s")}
    _, report = match_state(model, state)
    assert report.source == "PySlowFast" and report.missing == ["head.fc.weight", "head.fc.bias"]


def test_no_two_tables_name_a_file_differently(shared: Path) -> None:
    """The table that fits best must be the one whose source it is."""
    for case in golden.CASES[::7]:
        keys = golden.need(shared, case)["state_dict"]
        found = {table.source for table in TABLES if table.matches(keys)}
        assert ("pytorchvideo" if "pytorchvideo" in case.file else "PySlowFast") in found


# --- what does not fit


def test_other_classes_are_an_error_and_strict_false_keeps_the_head() -> None:
    source, model = scrambled(), small(9)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(WeightsError, match="have 5 classes, the network 9") as error:
        load_weights(model, source.state_dict())
    assert "head.fc.weight: 9 x 64 in the network, 5 x 64 in the file" in one_line(error)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    report = load_weights(model, source.state_dict(), strict=False)
    assert [m[0] for m in report.mismatched] == ["head.fc.weight", "head.fc.bias"]
    assert torch.equal(model.head.fc.weight, before["head.fc.weight"])
    assert torch.equal(model.backbone.stem.conv.weight, source.backbone.stem.conv.weight)


@pytest.mark.parametrize("strict", [True, False])
def test_another_networks_weights_are_an_error_even_when_not_strict(strict: bool) -> None:
    with pytest.raises(WeightsError, match="another network's") as error:
        load_weights(small(), IMAGES["resnet50"](5).state_dict(), strict=strict)
    assert one_line(error).count(";") >= 5
    with pytest.raises(WeightsError, match="0 of the network's"):
        load_weights(small(), {"something": torch.zeros(3), "else": torch.zeros(3)}, strict=strict)


def test_image_weights_for_kernels_with_time_name_inflation() -> None:
    model = VARIANTS["i3d_8x8_r50"](5, depth=18, scale=1 / 8)
    image = {k: v[:, :, 0] if v.dim() == 5 else v for k, v in model.state_dict().items()}
    with pytest.raises(WeightsError, match="no time axis") as error:
        load_weights(model, image)
    one_line(error)


def test_an_image_network_fills_one_whose_kernels_have_one_frame() -> None:
    source, model = scrambled(), VARIANTS["c2d_8x8_r50"](5, depth=18, scale=1 / 8)
    image = {k: v[:, :, 0] if v.dim() == 5 else v for k, v in source.state_dict().items()}
    image = {k: v for k, v in image.items() if tuple(v.shape[2:]) != (3,)}
    report = load_weights(model, image)
    assert len(report.reshaped) > 10 and not report.problems()


def test_every_tensor_without_a_place_is_in_the_report() -> None:
    model = small()
    state = dict(scrambled().state_dict())
    del state["backbone.stem.bn.bias"]
    state["backbone.stem.bn.extra"] = torch.zeros(2)
    with pytest.raises(WeightsError, match="stem.bn.bias: not in the file; backbone.stem.bn.extra: no place"):
        load_weights(model, state)
    text = str(load_weights(model, state, strict=False))
    assert "1 missing, 1 left out" in text and "backbone.stem.bn.extra" in text


# --- files that are not checkpoints


class Runs:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["model.pkl", "model.pth"])
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path, name: str) -> None:
    content = {"blobs": {"conv1_w": np.zeros(3, np.float32), "x": Runs(tmp_path / "ran")}}
    path = tmp_path / name
    if name.endswith("pkl"):
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match="could run code") as error:
        load_weights(small(), path)
    assert name in one_line(error) and not (tmp_path / "ran").exists()


BROKEN = {
    "page.pth": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "page.pkl": (b"\n<html>quota exceeded</html>", "web page"),
    "empty.pyth": (b"", "empty"),
    "pointer.pth": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"),
    "noise.pth": (bytes(range(256)) * 4, "not a whole checkpoint"),
    "text.pth": (b"hello, this is a text", "not a whole checkpoint"),
    "noise.pkl": (b"\x80\x02}q\x00(X\x05", "cut short"),
    "notes.safetensors": (b"abc", "safetensors"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_checkpoint_gives_one_clear_line(tmp_path: Path, name: str) -> None:
    content, words = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=words) as error:
        load_weights(small(), tmp_path / name)
    assert name in one_line(error)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_cut_file_gives_one_clear_line(tmp_path: Path, part: float) -> None:
    torch.save(small().state_dict(), tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: int(len(content) * part)])
    with pytest.raises(WeightsError, match="cut short or damaged") as error:
        load_weights(small(), tmp_path / "cut.pth")
    assert "cut.pth" in one_line(error)


def test_missing_files_and_other_content_give_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "absent.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        read_weights(tmp_path / "list.pth")
    torch.save({"epoch": 3, "note": "x"}, tmp_path / "plain.pth")
    with pytest.raises(WeightsError, match="plain.pth: no tensors"):
        load_weights(small(), tmp_path / "plain.pth")
