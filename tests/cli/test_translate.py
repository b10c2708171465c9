"""PySlowFast's configs: each builds its published network with its published recipe, and no key goes unheard."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from videonet import build, config
from videonet.cli.pyslowfast.keys import AVA, DATASETS, FIXED, HELD, READ, SAME
from videonet.cli.pyslowfast.settings import decode, same
from videonet.cli.translate import is_pyslowfast, translate, translate_sources
from videonet.models.count import count_params
from videonet.models.heads import Roi
from videonet.models.network import Network
from videonet.source import ConfigError, read_yaml

PARAMS = {  # networks without a file of figures: those that they are variations of
    "configs/Kinetics/c2/C2D_NOPOOL_8x8_R50.yaml": 24_327_632,
    "configs/contrastive_ssl/finetune_SSv2_Slow_R50_syn0.yaml": 31_991_022,
    "configs/contrastive_ssl/finetune_SSv2_Slow_R50_syn8.yaml": 31_991_022,
    "configs/contrastive_ssl/finetune_ava_Slow_R50_syn0.yaml": 31_798_416,
    "configs/contrastive_ssl/finetune_ava_Slow_R50_syn8.yaml": 31_798_416,
    "configs/contrastive_ssl/finetune_ucf_Slow_R50_syn0.yaml": 31_841_445,
    "configs/contrastive_ssl/finetune_ucf_Slow_R50_syn8.yaml": 31_841_445,
    "configs/contrastive_ssl/linear_k400_Slow_8x8_R50_syn0.yaml": 32_454_096,
    "configs/contrastive_ssl/linear_k400_Slow_8x8_R50_syn8.yaml": 32_454_096,
    "demo/AVA/SLOWFAST_32x2_R101_50_50.yaml": 59_342_488,
    "demo/Kinetics/SLOWFAST_8x8_R50.yaml": 34_566_488,
}
SAMPLING = {"kinetics": "clip", "charades": "strided", "ssv2": "segments"}
DETECTION = {"DETECTION.ENABLE": True, "TRAIN.DATASET": "ava", "MODEL.LOSS_FUNC": "bce", "MODEL.HEAD_ACT": "sigmoid"}
BASE = {"MODEL.MODEL_NAME": "SlowFast", "TRAIN.DATASET": "kinetics"}


@pytest.fixture(scope="module")
def configs(shared: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((shared / "facts" / "pyslowfast_configs.json").read_text())
    return {name: entry["set_in_yaml"] for name, entry in found.items()}


@pytest.fixture(scope="module")
def figures(shared: Path) -> dict[str, int]:
    """Parameters of the published networks, by the name of the config."""
    found = [json.loads(path.read_text()) for path in (shared / "golden" / "pyslowfast").glob("*__*.json")]
    return PARAMS | {entry["config"]: entry["param_count"] for entry in found if "param_count" in entry}


def load(ours: dict[str, Any]) -> config.CfgNode:
    return config.load_text(yaml.safe_dump(json.loads(json.dumps(ours))), tables=build.tables_of)


def test_every_config_builds_its_published_network(configs: dict, figures: dict[str, int]) -> None:
    assert len(configs) >= 70
    models: dict[str, Network] = {}
    for name, settings in configs.items():
        cfg = load(translate(settings)[0])
        assert settings["TRAIN.DATASET"].removeprefix("ptv") == cfg.DATA.NAME, name
        key = f"{cfg.MODEL} {cfg.HEAD} {cfg.BN} {cfg.TASK}"
        with torch.device("meta"):
            model = models[key] = models.get(key) or build.build_model(cfg)
        assert count_params(model) == figures[name], name
        assert isinstance(model.head, Roi) == settings.get("DETECTION.ENABLE", False), name
        sigmoid = settings.get("MODEL.HEAD_ACT", "softmax") == "sigmoid"
        assert model.activation == ("sigmoid" if sigmoid else "softmax"), name


def test_every_config_has_its_published_recipe(shared: Path, configs: dict) -> None:
    rates = json.loads((shared / "golden/pyslowfast/schedules_and_sampling.json").read_text())["lr_at_epoch"]
    assert len(rates) > 65
    for name, points in rates.items():
        settings = configs[name]
        cfg = load(translate(settings)[0])
        schedule = build.build_schedule(cfg, steps_per_epoch=1000)
        for epoch, rate in points:
            assert schedule.rate(epoch) == pytest.approx(rate, rel=1e-9, abs=1e-14), (name, epoch)
        assert settings.get("SOLVER.MAX_EPOCH", 300) == cfg.SOLVER.MAX_EPOCH
        assert settings.get("TRAIN.BATCH_SIZE", 64) == cfg.TRAIN.BATCH_SIZE
        assert decode(settings.get("SOLVER.WEIGHT_DECAY", 1e-4)) == cfg.SOLVER.WEIGHT_DECAY
        assert settings.get("SOLVER.MOMENTUM", 0.9) == cfg.OPTIM.MOMENTUM and cfg.OPTIM.NESTEROV
        for key in ("NUM_FRAMES", "SAMPLING_RATE", "TRAIN_CROP_SIZE"):
            assert cfg.DATA[key] == settings.get(f"DATA.{key}", SAME[f"DATA.{key}"][1]), (name, key)
        images, views = cfg.DATA.NAME == "imagenet", (cfg.TEST.NUM_ENSEMBLE_VIEWS, cfg.TEST.NUM_SPATIAL_CROPS)
        size = max(cfg.DATA.TEST_CROP_SIZE, cfg.DATA.TEST_SCALE) if images else cfg.DATA.TEST_CROP_SIZE
        assert size == settings.get("DATA.TEST_CROP_SIZE", 256), name
        said = settings.get("TEST.NUM_ENSEMBLE_VIEWS", 10), settings.get("TEST.NUM_SPATIAL_CROPS", 3)
        assert views == ((1, 1) if images or cfg.DATA.NAME == "ava" else said), name
        assert cfg.DATA.get("SAMPLING", "") == SAMPLING.get(cfg.DATA.NAME, ""), name
        assert settings.get("MODEL.DROPOUT_RATE", 0.5) == cfg.HEAD.DROPOUT


def test_the_table_has_pyslowfasts_defaults(shared: Path) -> None:
    published = json.loads((shared / "facts" / "pyslowfast_defaults.json").read_text())
    published = {k: v["default"] if isinstance(v, dict) and "default" in v else v for k, v in published.items()}
    assert {*SAME, *AVA, *READ, *FIXED, *HELD} <= set(published)
    own = {key for key in READ if key.startswith("AVA.") and key.endswith("_DIR")}  # folders of its authors
    for key, default in {
        **{k: v for k, (_, v) in {**SAME, **AVA}.items()},
        **{k: v for k, v in READ.items() if k not in own},
        **{k: v for k, (v, _) in FIXED.items()},
    }.items():
        assert same(published[key] or default, default), key


def test_warnings_name_keys_of_the_config(configs: dict) -> None:
    for name, settings in configs.items():
        for warning in translate(settings)[1]:
            key = warning.split(" ")[0]
            assert key in settings or key == "DATA.REVERSE_INPUT_CHANNEL", (name, warning)
            assert "\n" not in warning


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("configs/Kinetics/SLOWFAST_8x8_R50.yaml", False),
        ("configs/Charades/SLOWFAST_16x8_R50.yaml", False),  # BGR frames, reversed
        ("configs/SSv2/SLOWFAST_16x8_R50.yaml", False),
        ("configs/Charades/pytorchvideo/SLOW_8x8_R50.yaml", False),  # turned to BGR, reversed
        ("configs/contrastive_ssl/finetune_SSv2_Slow_R50_syn0.yaml", True),  # BGR frames, as they are
        ("configs/AVA/c2/SLOWFAST_32x2_R50.yaml", False),
    ],
)
def test_the_network_sees_the_colours_that_it_was_trained_on(configs: dict, name: str, wanted: bool) -> None:
    assert translate(configs[name])[0]["DATA"]["REVERSE_INPUT_CHANNEL"] is wanted


@pytest.mark.parametrize("dataset, swapped", [("ssv2", True), ("ptvssv2", False), ("kinetics", False)])
def test_mean_and_std_belong_to_the_colours_that_pyslowfast_gives_them_to(dataset: str, swapped: bool) -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    ours, warnings = translate({**BASE, "TRAIN.DATASET": dataset, "DATA.MEAN": mean, "DATA.STD": std})
    order = slice(None, None, -1 if swapped else 1)
    assert (mean[order], std[order]) == (ours["DATA"]["MEAN"], ours["DATA"]["STD"])
    assert any(warning.startswith("DATA.MEAN") for warning in warnings) == swapped


def another(value: Any) -> Any:
    """A value of the same kind that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return "another"
    return [another(value[0]), *value[1:]] if value else [3, 4]


def outcome(settings: dict[str, Any]) -> Any:
    try:
        return translate(settings)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("base", ["SlowFast", "X3D", "ResNet"])
def test_no_key_is_dropped_in_silence(base: str) -> None:
    start = {"MODEL.MODEL_NAME": base, "MODEL.ARCH": {"ResNet": "slow"}.get(base, base.lower())}
    if base == "X3D":
        start["RESNET.TRANS_FUNC"] = "x3d_transform"
    plain = translate(start)
    enabled = {"AUG": "AUG.ENABLE", "MIXUP": "MIXUP.ENABLE", "DETECTION": "DETECTION.ENABLE"}
    held = {key: value for key, (value, _) in HELD.items() if value != "*"}
    known = {**{k: v for k, (_, v) in {**SAME, **AVA}.items()}, **READ, **{k: v for k, (v, _) in FIXED.items()}, **held}
    switched = {"SOLVER.STEPS", "SOLVER.LRS", "SOLVER.BETAS", "BN.NUM_SPLITS", "SOLVER.BASE_LR_SCALE_NUM_SHARDS"}
    switched |= {"BN.GLOBAL_SYNC", "BN.NUM_SYNC_DEVICES", "NONLOCAL.GROUP", "NONLOCAL.POOL", "NONLOCAL.INSTANTIATION"}
    switched |= {"TRAIN.CHECKPOINT_EPOCH_RESET", "DATA.MULTI_LABEL", "TRAIN.DATASET", "RESNET.NUM_BLOCK_TEMP_KERNEL"}
    for key, default in known.items():
        section = key.split(".")[0]
        settings = {**start, key: another(default)}
        if section in enabled and key != enabled[section]:
            continue  # a section that is switched off: the next test
        if key not in switched and key not in start:
            assert outcome(settings) != plain, key


@pytest.mark.parametrize(
    "switch, key, value",
    [
        ({}, "RESNET.NUM_BLOCK_TEMP_KERNEL", [[3], [4], [5], [3]]),
        ({"AUG.ENABLE": True}, "AUG.COLOR_JITTER", 0.1),
        ({"AUG.ENABLE": True}, "AUG.AA_TYPE", "rand-m7-n4"),
        ({"AUG.ENABLE": True}, "AUG.RE_PROB", 0.5),
        ({"MIXUP.ENABLE": True}, "MIXUP.ALPHA", 0.1),
        ({"MIXUP.ENABLE": True}, "MIXUP.CUTMIX_ALPHA", 0.1),
        ({"MIXUP.ENABLE": True}, "MIXUP.LABEL_SMOOTH_VALUE", 0.2),
        *((DETECTION, key, another(default)) for key, (_, default) in AVA.items()),
        (DETECTION, "DETECTION.ALIGNED", False),
        (DETECTION, "DETECTION.ROI_XFORM_RESOLUTION", 14),
        (DETECTION, "DETECTION.SPATIAL_SCALE_FACTOR", 32),
        (DETECTION, "AVA.BGR", True),
        (DETECTION, "AVA.FULL_TEST_ON_VAL", True),
        (DETECTION, "AVA.TRAIN_USE_COLOR_AUGMENTATION", True),
        ({**DETECTION, "AVA.TRAIN_USE_COLOR_AUGMENTATION": True}, "AVA.TRAIN_PCA_JITTER_ONLY", False),
        (DETECTION, "AVA.FRAME_DIR", "/ava/frames"),
        (DETECTION, "AVA.FRAME_LIST_DIR", "/ava/frame_lists"),
        (DETECTION, "AVA.ANNOTATION_DIR", "/ava/annotations"),
        ({"TRAIN.DATASET": "imagenet", "MODEL.ARCH": "2d"}, "DATA.PATH_TO_PRELOAD_IMDB", "/lists"),
        ({"TRAIN.DATASET": "imagenet", "MODEL.ARCH": "2d", "AUG.ENABLE": True}, "DATA.IN_VAL_CROP_RATIO", 0.9),
        ({"SOLVER.LR_POLICY": "steps_with_relative_lrs"}, "SOLVER.STEPS", [0, 5]),
        ({"SOLVER.LR_POLICY": "steps_with_relative_lrs"}, "SOLVER.LRS", [1, 0.5]),
        ({"SOLVER.OPTIMIZING_METHOD": "adamw"}, "SOLVER.BETAS", [0.9, 0.95]),
        ({"BN.NORM_TYPE": "sub_batchnorm"}, "BN.NUM_SPLITS", 4),
        ({"BN.NORM_TYPE": "sync_batchnorm"}, "BN.NUM_SYNC_DEVICES", 4),
        ({"NUM_SHARDS": 2}, "SOLVER.BASE_LR_SCALE_NUM_SHARDS", True),
        ({"TRAIN.CHECKPOINT_FILE_PATH": "a.pyth"}, "TRAIN.CHECKPOINT_EPOCH_RESET", True),
        ({"NONLOCAL.LOCATION": [[[]], [[1]], [[]], [[]]]}, "NONLOCAL.INSTANTIATION", "softmax"),
        ({"NONLOCAL.LOCATION": [[[]], [[1]], [[]], [[]]]}, "NONLOCAL.GROUP", [[1], [2], [1], [1]]),
        ({"NONLOCAL.LOCATION": [[[]], [[1]], [[]], [[]]]}, "NONLOCAL.POOL", [[[1, 2, 2]], [[2, 2, 2]], [[1]], [[1]]]),
    ],
)
def test_keys_count_where_they_are_switched_on(switch: dict, key: str, value: Any) -> None:
    start = {"MODEL.MODEL_NAME": "ResNet", "MODEL.ARCH": "slow", **switch}
    assert translate({**start, key: value}) != translate(start)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"MODEL.MODEL_NAME": "MViT", "MODEL.ARCH": "mvit"}, "MODEL.MODEL_NAME is 'MViT'"),
        ({"MODEL.DROPUOT_RATE": 0.5}, "MODEL.DROPUOT_RATE is no key of PySlowFast; did you mean MODEL.DROPOUT_RATE"),
        ({"RESNET.STRIDE_1X1": True}, "RESNET.STRIDE_1X1 is True"),
        ({"RESNET.SPATIAL_STRIDES": [[1, 1], [2, 2], [1, 1], [2, 2]]}, "RESNET.SPATIAL_STRIDES"),
        ({"RESNET.TRANS_FUNC": "basic_transform"}, "RESNET.TRANS_FUNC"),
        ({"NONLOCAL.LOCATION": [[[], [1]], [[], []], [[], []], [[], []]]}, "slow pathway alone"),
        ({"MODEL.LOSS_FUNC": "contrastive_loss"}, "MODEL.LOSS_FUNC"),
        ({"MODEL.HEAD_ACT": "sigmoid"}, "MODEL.HEAD_ACT"),
        ({"TRAIN.DATASET": "ucf101"}, "TRAIN.DATASET is 'ucf101'"),
        ({"TRAIN.DATASET": "ssv2", "TEST.DATASET": "kinetics"}, "TEST.DATASET"),
        ({"TEST.NUM_ENSEMBLE_VIEWS": -1}, "TEST.NUM_ENSEMBLE_VIEWS is -1"),
        ({"SOLVER.LR_POLICY": "steps"}, "SOLVER.LR_POLICY"),
        ({"SOLVER.OPTIMIZING_METHOD": "lamb"}, "SOLVER.OPTIMIZING_METHOD"),
        ({"DATA.INPUT_CHANNEL_NUM": [2, 2]}, "DATA.INPUT_CHANNEL_NUM"),
        ({"TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN": '("encoder.",)'}, "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN"),
        ({"AUG.ENABLE": True, "AUG.AA_TYPE": "augmix"}, "AUG.AA_TYPE"),
        ({"TRAIN.DATASET": "ava"}, "DETECTION.ENABLE is False"),
        ({**DETECTION, "TRAIN.DATASET": "kinetics"}, "DETECTION.ENABLE is True"),
        ({**DETECTION, "AVA.TRAIN_LISTS": ["a.csv", "b.csv"]}, "AVA.TRAIN_LISTS is"),
        ({**DETECTION, "AVA.TEST_LISTS": ["test.csv"]}, "AVA.TEST_LISTS is"),
        ({**DETECTION, "AVA.EXCLUSIONS": "a.csv"}, "AVA.EXCLUSIONS is no key of PySlowFast"),
        ({"TRAIN.DATASET": "charades"}, "MODEL.LOSS_FUNC is 'cross_entropy'; the items of charades have several"),
        ({"TRAIN.DATASET": "ssv2", "MODEL.LOSS_FUNC": "bce_logit", "MODEL.HEAD_ACT": "sigmoid"}, "MODEL.LOSS_FUNC"),
        ({"TRAIN.DATASET": "imagenet"}, "MODEL.ARCH is 'slowfast'; 2d is for imagenet"),
        ({"MODEL.MODEL_NAME": "ResNet", "MODEL.ARCH": "2d"}, "MODEL.ARCH is '2d'"),
    ],
)
def test_what_cannot_be_honoured_is_an_error_that_names_the_key(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")) as error:
        translate({**BASE, **settings})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({**DETECTION, "AVA.TEST_PREDICT_BOX_LISTS": []}, "AVA.TEST_PREDICT_BOX_LISTS []: without boxes"),
        ({**DETECTION, "TEST.NUM_ENSEMBLE_VIEWS": 10}, "TEST.NUM_ENSEMBLE_VIEWS 10: PySlowFast has one view"),
        ({"AVA.FULL_TEST_ON_VAL": True}, "AVA.FULL_TEST_ON_VAL True: not read for kinetics"),
        ({"TRAIN.DATASET": "ssv2", "TEST.NUM_ENSEMBLE_VIEWS": 2}, "TEST.NUM_ENSEMBLE_VIEWS 2: PySlowFast shows the"),
        ({"TRAIN.DATASET": "ssv2", "DATA.RANDOM_FLIP": True}, "DATA.RANDOM_FLIP True: a mirrored clip"),
        ({"TRAIN.DATASET": "ssv2", "AUG.ENABLE": True}, "AUG.ENABLE True: PySlowFast does not augment ssv2"),
    ],
)
def test_what_a_reader_does_otherwise_is_a_warning_that_names_the_key(settings: dict, words: str) -> None:
    assert any(warning.startswith(words) for warning in translate({**BASE, **settings})[1])


def test_the_files_of_ava_lie_where_pyslowfast_looks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its three folders start where the run does; ours start in DATA.PATH_TO_DATA_DIR, if that is set as well."""
    monkeypatch.chdir(tmp_path)
    folders = {"AVA.FRAME_DIR": "ava/frames", "AVA.FRAME_LIST_DIR": "ava/lists", "AVA.ANNOTATION_DIR": "ava/notes"}
    for root in ("", "/data/kinetics"):
        data = translate({**BASE, **DETECTION, **folders, "DATA.PATH_TO_DATA_DIR": root})[0]["DATA"]
        assert Path(data["PATH_PREFIX"]).resolve() == tmp_path / "ava" / "frames"
        for key, name in (("FRAME_LIST_DIR", "lists"), ("ANNOTATION_DIR", "notes")):
            assert (Path(data["PATH_TO_DATA_DIR"]) / data[key]).resolve() == tmp_path / "ava" / name
    assert translate({**BASE, **DETECTION})[0]["DATA"]["PATH_TO_DATA_DIR"] == ""


@pytest.mark.parametrize(
    "settings, scale, size",
    [
        ({}, 0, 256),
        ({"TEST.NUM_SPATIAL_CROPS": 1, "DATA.TEST_CROP_SIZE": 224}, 256, 224),  # as training's least short side
        ({"DATA.TEST_CROP_SIZE": 224}, 0, 224),
        ({"TRAIN.DATASET": "ptvkinetics", "DATA.TEST_CROP_SIZE": 224}, 256, 224),
        ({"TRAIN.DATASET": "imagenet"}, 256, 224),
        ({"TRAIN.DATASET": "imagenet", "DATA.TEST_CROP_SIZE": 224}, 224, 224),
        ({"TRAIN.DATASET": "imagenet", "DATA.TEST_CROP_SIZE": 224, "AUG.ENABLE": True}, 256, 224),
    ],
)
def test_a_test_is_scaled_before_it_is_cropped(settings: dict, scale: int, size: int) -> None:
    network = {"MODEL.MODEL_NAME": "ResNet", "MODEL.ARCH": "2d" if "imagenet" in settings.values() else "slow"}
    cfg = load(translate({**network, **settings})[0])
    assert (scale, size) == (cfg.DATA.TEST_SCALE, cfg.DATA.TEST_CROP_SIZE)


def test_configs_are_recognised_by_their_keys(shared: Path, configs: dict) -> None:
    assert all(is_pyslowfast(settings) for settings in configs.values())
    for path in (Path(__file__).parents[2] / "configs").rglob("*.yaml"):
        assert not is_pyslowfast(read_yaml(path.read_text(), path.name)), path
    assert set(DATASETS) >= {settings["TRAIN.DATASET"] for settings in configs.values()}


def test_files_merge_before_they_are_translated() -> None:
    base = read_yaml("MODEL: {MODEL_NAME: SlowFast, ARCH: slowfast}\nSOLVER: {BASE_LR: 0.1}\n", "base.yaml")
    top = read_yaml("SOLVER:\n  BASE_LR: 0.2\n  WEIGHT_DECAY: 1e-5\nTENSORBOARD: {MODEL_VIS: {TOPK: 2}}\n", "top.yaml")
    source, warnings = translate_sources([base, top])
    cfg = config.assemble([source], build.tables_of)
    assert (cfg.MODEL.NAME, cfg.SOLVER.BASE_LR, cfg.SOLVER.WEIGHT_DECAY) == ("slowfast", 0.2, 1e-5)
    assert any(warning.startswith("TENSORBOARD.MODEL_VIS") for warning in warnings)
