"""TRAIN.INIT_FROM and TRAIN.INFLATE: what a network takes over from a file, what it says of it, and what it refuses."""

import copy
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from videonet import build, run
from videonet.data.demo import write_demo
from videonet.models.image import VARIANTS as IMAGES
from videonet.models.pathway import Pathway
from videonet.models.start import start

CLASSES = 8
SMALL = {"DEPTH": 18, "SCALE": 0.125}
NETWORKS = {
    "c2d": {"NAME": "c2d", **SMALL},
    "i3d": {"NAME": "i3d", **SMALL},
    "slow": {"NAME": "slow", **SMALL},
    "slowfast": {"NAME": "slowfast", **SMALL, "ALPHA": 2, "BETA_INV": 2},
    "slow_nln": {"NAME": "slow", **SMALL, "NON_LOCAL": {"at": [[], [1], [1], []]}},
}


def load(tmp_path: Path, model: dict[str, Any], **train: Any) -> Any:
    """The config of a tiny run."""
    values = {
        "MODEL": {"NUM_CLASSES": CLASSES, **model},
        "HEAD": {"NAME": "classify"},
        "DATA": {"NUM_FRAMES": 4, "SAMPLING_RATE": 2, "TRAIN_CROP_SIZE": 28, "TEST_CROP_SIZE": 32},
        "DATA_LOADER": {"NUM_WORKERS": 0},
        "SOLVER": {"BASE_LR": 0.01, "MAX_EPOCH": 1},
        "TRAIN": {"BATCH_SIZE": 4, "EVAL_PERIOD": 0, **train},
        "DEVICE": "cpu",
        "OUTPUT_DIR": str(tmp_path / "run"),
    }
    values["DATA"] |= {"TRAIN_JITTER_SCALES": [30, 36], "PATH_TO_DATA_DIR": str(tmp_path / "demo")}
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(values))
    return build.load_config(path)


def image_network(classes: int = 5, depth: int = 18, scale: float = 0.125) -> dict[str, torch.Tensor]:
    """Random weights of a narrow image ResNet, under our names."""
    torch.manual_seed(1)
    family = IMAGES[f"resnet{depth}"]
    backbone = family.backbone(pathway=Pathway(scale=scale))
    state = {f"backbone.{key}": value for key, value in backbone.state_dict().items()}
    state = {key: torch.rand_like(value) if value.is_floating_point() else value for key, value in state.items()}
    channels = backbone.channels[-1]
    return {**state, "head.fc.weight": torch.rand(classes, channels), "head.fc.bias": torch.rand(classes)}


def as_torchvision(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same under torchvision's names."""
    rules = (
        (r"^backbone\.|^head\.", ""),
        (r"^stem\.(conv|bn)\.", r"\g<1>1."),
        (r"\.shortcut\.conv\.", ".downsample.0."),
        (r"\.shortcut\.bn\.", ".downsample.1."),
        (r"^res(\d)\.", lambda found: f"layer{int(found[1]) - 1}."),
    )
    return renamed(state, rules)


def as_pyslowfast(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same under PySlowFast's names, whose image kernels have one frame."""
    rules = (
        (r"^backbone\.stem\.(conv|bn)\.", lambda found: f"s1.pathway0_stem.{found[1]}."),
        (r"^backbone\.res(\d)\.(\d+)\.", r"s\1.pathway0_res\2."),
        (r"\.shortcut\.conv\.", ".branch1."),
        (r"\.shortcut\.bn\.", ".branch1_bn."),
        (r"\.(conv|bn)([12])\.", lambda found: f".branch2.{'ab'[int(found[2]) - 1]}{'_bn' * (found[1] == 'bn')}."),
        (r"^head\.fc\.", "head.projection."),
    )
    state = renamed(state, rules)
    return {"model_state": {k: v.unsqueeze(2) if v.dim() == 4 else v for k, v in state.items()}, "epoch": 99}


def renamed(state: dict[str, torch.Tensor], rules: tuple) -> dict[str, torch.Tensor]:
    for pattern, replacement in rules:
        state = {re.sub(pattern, replacement, key): value for key, value in state.items()}
    return state


def fill(tmp_path: Path, model: dict[str, Any], content: dict, how: str = "") -> tuple[torch.nn.Module, str]:
    """The network of a config after a start from a file with that content, and the report."""
    file = tmp_path / "weights.pth"
    torch.save(content, file)
    cfg = load(tmp_path, model, INIT_FROM=str(file), INFLATE=how)
    torch.manual_seed(0)
    network = build.build_model(cfg)
    return network, run.init_from(cfg, network)


@pytest.mark.parametrize("source", [as_torchvision, as_pyslowfast, dict])
@pytest.mark.parametrize("how", ["center", "mean"])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_image_network_fills_a_network_for_clips(tmp_path, name, how, source) -> None:
    image = image_network()
    network, text = fill(tmp_path, NETWORKS[name], source(image), how)
    filled = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    inflated = 0
    for key, kernel in filled.items():
        theirs = image.get(key.replace("backbone.slow.", "backbone."))
        fits = theirs is not None and theirs.shape[:2] == kernel.shape[:2] and not key.startswith("head.")
        if fits and kernel.dim() == 5:
            inflated += 1
            assert torch.allclose(kernel.sum(2), theirs, atol=1e-6), key
            if how == "center":
                assert torch.equal(kernel[:, :, kernel.shape[2] // 2], theirs), key
            else:
                assert torch.equal(kernel[:, :, 0], kernel[:, :, -1]), key
        elif fits:
            assert torch.equal(kernel, theirs), key
    assert inflated >= 12 and f"{inflated} inflated ({how})" in text
    first = text.splitlines()[0]
    assert "weights.pth" in first and "epoch 0" in first and "2 of the head re-initialised" in first
    assert re.search(r"(\d+) renamed", first)[1] != "0"
    assert "  re-initialised head.fc.weight" in text and "unused" in text


def test_what_a_slowfast_cannot_take_is_named_and_its_slow_pathway_is_filled(tmp_path) -> None:
    network, text = fill(tmp_path, NETWORKS["slowfast"], as_torchvision(image_network()), "center")
    matched = float(re.search(r"\(([\d.]+)% matched\)", text)[1])
    assert 90 <= matched < 100
    assert "backbone.slow.res2.0.conv1.weight" in text and "layer1.0.conv1.weight" in text
    wide = {**NETWORKS["slowfast"], "BETA_INV": 1, "FUSION": "sum"}  # both pathways have the image network's shapes
    image = image_network()
    network, text = fill(tmp_path, wide, as_torchvision(image), "mean")
    assert "100.0% matched" in text
    for pathway in (network.backbone.slow, network.backbone.fast):
        kernel = pathway.res3[0].conv1.weight
        assert torch.allclose(kernel.sum(2), image["backbone.res3.0.conv1.weight"], atol=1e-6)


def test_a_still_clip_gives_the_maps_of_the_image(tmp_path) -> None:
    image = IMAGES["resnet18"].backbone(pathway=Pathway(scale=0.125)).eval()
    state = {f"backbone.{key}": value for key, value in image.state_dict().items()}
    network, _ = fill(tmp_path, {**NETWORKS["i3d"], "POOL_T": 1}, as_torchvision(state), "center")
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        wanted = image(x)[-1].unsqueeze(2)
        got = network.backbone.eval()(x.unsqueeze(2).repeat(1, 1, 4, 1, 1))[-1]
    torch.testing.assert_close(got, wanted.expand_as(got), rtol=1e-4, atol=1e-5)


def test_a_head_of_other_classes_is_initialised_again_and_named(tmp_path) -> None:
    cfg = load(tmp_path, {**NETWORKS["slow"], "NUM_CLASSES": 5})
    source = build.build_model(cfg)
    network, text = fill(tmp_path, NETWORKS["slow"], {"state_dict": source.state_dict()})
    torch.manual_seed(0)
    fresh = build.build_model(load(tmp_path, NETWORKS["slow"]))
    assert torch.equal(network.backbone.res4[0].conv1.weight, source.backbone.res4[0].conv1.weight)
    assert torch.equal(network.head.fc.weight, fresh.head.fc.weight)
    assert "2 of the head re-initialised, 0 others start afresh, 0 unused" in text
    assert "  re-initialised head.fc.weight: 8 x 64 here, 5 x 64 in the file" in text


def test_a_head_of_the_same_classes_is_kept(tmp_path) -> None:
    source = build.build_model(load(tmp_path, NETWORKS["slow"]))
    network, text = fill(tmp_path, NETWORKS["slow"], source.state_dict())
    assert torch.equal(network.head.fc.weight, source.head.fc.weight)
    assert "(100.0% matched)" in text and "0 of the head re-initialised" in text and "\n" not in text


def test_as_many_classes_of_other_names_are_other_classes(tmp_path) -> None:
    torch.manual_seed(0)
    source, fresh = (build.build_model(load(tmp_path, NETWORKS["slow"])) for _ in range(2))
    own, names = copy.deepcopy(fresh.state_dict()), [f"class {n}" for n in range(8)]
    other = [*names[:6], "walk", "run"]
    report = start(fresh, source.state_dict(), classes=names, theirs=other)
    assert torch.equal(fresh.backbone.stem.conv.weight, source.backbone.stem.conv.weight)
    assert all(torch.equal(own[key], value) for key, value in fresh.state_dict().items() if key.startswith("head."))
    assert len(report.head) == 2 and "the file's 'walk' is 'class 6' here" in str(report)
    assert not start(fresh, source.state_dict(), classes=names, theirs=names).head
    assert torch.equal(fresh.head.fc.weight, source.head.fc.weight)


def test_a_test_says_where_the_classes_of_a_checkpoint_have_other_names() -> None:
    split = SimpleNamespace(classes=("a", "c", "b"))
    (note,) = run.class_notes(Path("best"), ("a", "b", "c"), split)
    assert "'b' of best is 'c' in the list" in note
    assert not run.class_notes(Path("best"), (), split) and not run.class_notes(Path("best"), split.classes, split)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_start_says_where_the_pixels_had_another_mean(tmp_path, suffix) -> None:
    cfg = load(tmp_path, NETWORKS["slow"])
    state, ours = build.build_model(cfg).state_dict(), {"format": "videonet", "ema": None, "std": [0.225, 0.225, 0.225]}
    file = tmp_path / f"weights{suffix}"
    for mean, words in ([0.485, 0.456, 0.406], ["DATA.MEAN [0.485, 0.456, 0.406], here it is [0.45"]), ([0.45] * 3, []):
        torch.save({**ours, "model": state, "mean": mean}, file)
        text = run.init_from(load(tmp_path, NETWORKS["slow"], INIT_FROM=str(file)), build.build_model(cfg))
        assert text.count("note: the weights were trained with") == len(words)
        assert all(word in text for word in words) and "DATA.STD" not in text


def test_a_test_of_weights_of_a_known_source_says_where_its_pixels_differ(tmp_path) -> None:
    cfg = load(tmp_path, NETWORKS["slow"])
    assert len(run.pixel_notes(cfg, {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.3)})) == 2
    assert not run.pixel_notes(cfg, {"mean": (0.45, 0.4501, 0.45), "bn_eps": 1e-5}) and not run.pixel_notes(cfg, {})


def test_inflating_nothing_is_an_error(tmp_path) -> None:
    cfg = load(tmp_path, NETWORKS["slow"], INFLATE="center")
    with pytest.raises(ValueError, match="TRAIN.INFLATE is center, but TRAIN.INIT_FROM is empty"):
        run.init_from(cfg, build.build_model(cfg))


@pytest.mark.parametrize(
    "model, content, how, words",
    [
        ("slow", lambda: as_torchvision(image_network()), "", "inflate them, TRAIN.INFLATE"),
        ("slow", lambda: image_network(depth=50), "center", r"another network's \(build that"),
        ("i3d", lambda: image_network(scale=0.25), "mean", r"another network's \(build that"),
        (
            "slow",
            lambda: {"backbone.stem.conv.weight": torch.zeros(8, 3, 5, 7, 7)},
            "mean",
            "leave TRAIN.INFLATE empty",
        ),
        ("slow", lambda: {"other": torch.zeros(3)}, "center", "fit 0 of the network's"),
        ("slow", lambda: {"epoch": 3}, "center", "no tensors"),
    ],
)
def test_weights_that_do_not_fit_are_one_line_with_a_way_out(tmp_path, model, content, how, words) -> None:
    with pytest.raises(ValueError, match=words) as error:
        fill(tmp_path, NETWORKS[model], content(), how)
    assert "\n" not in str(error.value) and "weights.pth" in str(error.value)


def test_less_than_nine_tenths_names_the_first_five(tmp_path) -> None:
    state = build.build_model(load(tmp_path, NETWORKS["slow"])).state_dict()
    kept = {key: value for key, value in state.items() if "res5" not in key}
    with pytest.raises(ValueError, match="another network's") as error:
        fill(tmp_path, NETWORKS["slow"], kept)
    assert str(error.value).count(": not in the file") == 5 and "more" in str(error.value)


@pytest.mark.parametrize("model", [{"NAME": "x3d", "DEPTH": 1.0}, {"NAME": "csn", "DEPTH": 50, "SCALE": 0.125}])
def test_a_network_of_no_image_network_is_not_inflated(tmp_path, model) -> None:
    with pytest.raises(ValueError, match=f"{model['NAME']} is made of no image network"):
        fill(tmp_path, model, image_network(), "center")


def steps(folder: Path) -> list[int]:
    """The training steps that a run logged."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if line["split"] == "train"]


def test_a_start_is_at_epoch_0_and_a_resumed_run_does_not_read_it_again(tmp_path, capsys) -> None:
    write_demo(tmp_path / "demo", train=8, val=8, size=32, workers=1)
    quick = ["TEST.ENABLE", False, "LOG_PERIOD", 1, "TENSORBOARD", False]
    load(tmp_path, NETWORKS["slow"])
    first = build.load_config(tmp_path / "run.yaml", [*quick, "OUTPUT_DIR", str(tmp_path / "first")])
    assert run.train(first) and steps(tmp_path / "first") == [1, 2]
    capsys.readouterr()

    source = tmp_path / "first" / "checkpoints" / "last"
    again = [*quick, "OUTPUT_DIR", str(tmp_path / "second"), "TRAIN.INIT_FROM", str(source)]
    assert run.train(build.load_config(tmp_path / "run.yaml", again))
    assert steps(tmp_path / "second") == [1, 2]  # not 3: the weights alone were taken over
    text = capsys.readouterr().out
    assert f"start from {source}" in text and re.search(r"slow: 0\.\d+ M parameters, 0\.\d+ M of them trained\n", text)

    source.unlink()
    assert run.train(build.load_config(tmp_path / "run.yaml", [*again, "SOLVER.MAX_EPOCH", 2]))
    assert steps(tmp_path / "second") == [1, 2, 3, 4]
    text = capsys.readouterr().out
    assert "at step 2" in text and "not read; changed since: SOLVER.MAX_EPOCH 1 -> 2\n" in text
    assert "resumed from" in text and f"TRAIN.INIT_FROM {source} is not read" in text and "start from" not in text
    missing = build.load_config(tmp_path / "run.yaml", [*again, "OUTPUT_DIR", str(tmp_path / "third")])
    with pytest.raises(ValueError, match="no such file"):
        run.train(missing)
