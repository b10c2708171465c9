"""Laws of the config: what loads, what is refused and with which words, and that nothing changes afterwards."""

from functools import partial
from pathlib import Path

import pytest

from videonet import config
from videonet.defaults import CALLS, KEYS
from videonet.source import ConfigError


def net(nd, *, depth: int = 50, alpha: int = 4, drop: float = 0.0, t=(1, 1), note: str = "", limit: int | None = None):
    return {"nd": nd, "depth": depth, "alpha": alpha, "drop": drop, "t": t, "note": note, "limit": limit}


def other(nd, *, width: float = 1.0, must: int):
    return {"nd": nd, "width": width, "must": must}


def plain(*, label_smoothing: float = 0.0):
    return label_smoothing


TABLES = {
    "MODEL": {"slowfast": net, "deep": partial(net, depth=101), "other": other},
    "HEAD": {"": plain},
    "DATA": {"kinetics": plain},
    "TASK": {"classification": plain},
    "OPTIM": {"sgd": plain},
    "SCHEDULE": {"cosine": plain},
}


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "a.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def load(path, *overrides):
    return config.load(path, overrides, tables=lambda names: TABLES)


def test_an_empty_file_gives_every_default(write):
    node = load(write(""))
    for key, (default, meaning) in KEYS.items():
        value = node
        for part in key.split("."):
            value = value[part]
        assert value == default and type(value) is type(default), key
        assert meaning and meaning[0].islower() or meaning[0].isupper()
    assert node.MODEL.ALPHA == 4 and node.MODEL.T == [1, 1]


def test_bases_then_file_then_command_line(write):
    write("MODEL: {DEPTH: 18, ALPHA: 8}\nSOLVER: {BASE_LR: 1, WEIGHT_DECAY: 1e-3}", "base.yaml")
    node = load(write("_BASE_: base.yaml\nMODEL: {ALPHA: 2}"), "SOLVER.BASE_LR", "5e-2", "SEED", 3)
    assert (node.MODEL.DEPTH, node.MODEL.ALPHA, node.SOLVER.BASE_LR, node.SEED) == (18, 2, 0.05, 3)
    assert node.SOLVER.WEIGHT_DECAY == 1e-3


@pytest.mark.parametrize("text", ["", " ", ",", "\t", "a: [", "*.pt", "@x", "1e-4x"])
def test_text_of_the_command_line_that_is_no_yaml_is_itself(write, text):
    assert config.flat(load(write(""), "MODEL.NOTE", text))["MODEL.NOTE"] == text


def test_null_on_the_command_line_is_none(write):
    assert load(write("MODEL: {LIMIT: 7}"), "MODEL.LIMIT", "null").MODEL.LIMIT is None


def test_a_call_gets_its_arguments_and_defaults(write):
    node = load(write("MODEL: {NAME: deep, DROP: 1, LIMIT: 7, T: [3, 3]}"))
    got = config.call(node.MODEL, TABLES["MODEL"], "3d")
    assert got == {"nd": "3d", "depth": 101, "alpha": 4, "drop": 1.0, "t": [3, 3], "note": "", "limit": 7}


def test_another_name_drops_the_old_names_arguments(write):
    path = write("MODEL: {NAME: slowfast, ALPHA: 8, NUM_CLASSES: 7}")
    node = load(path, "MODEL.NAME", "other", "MODEL.MUST", "1")
    assert node.MODEL.NUM_CLASSES == 7 and "ALPHA" not in node.MODEL


def test_frozen_after_load_and_equal_after_dump(write):
    node = load(write("MODEL: {ALPHA: 2, NOTE: '1e-4'}\nDATA: {MEAN: [0.1, 0.2, 0.3]}"))
    with pytest.raises(AttributeError):
        node.SEED = 1
    assert config.load_text(config.dump(node), tables=lambda names: TABLES) == node


@pytest.mark.parametrize(
    "text, overrides, words",
    [
        ("MODEL: {ALHPA: 4}", (), ["a.yaml:1", "MODEL", "ALHPA", "did you mean ALPHA?"]),
        ("SEED: 1\nSOLVER:\n  BASELR: 0.1", (), ["a.yaml:3", "SOLVER.BASELR", "SOLVER.BASE_LR"]),
        ("MODEL: {NAME: slowfats}", (), ["a.yaml:1", "'slowfats'", "slowfast"]),
        ("MODEL: {DEPTH: fifty}", (), ["a.yaml:1: MODEL.DEPTH", "'fifty'", "whole number"]),
        ("SEED: true", (), ["a.yaml:1: SEED", "whole number"]),
        ("TRAIN: {ENABLE: 1}", (), ["TRAIN.ENABLE", "true or false"]),
        ("DATA: {MEAN: 0.45}", (), ["DATA.MEAN", "a list"]),
        ("MODEL: {LIMIT: x}", (), ["MODEL.LIMIT", "whole number"]),
        ("MODEL: {NAME: other}", (), ["MODEL.MUST", "must be given"]),
        ("SEED: -1", (), ["a.yaml:1: SEED is -1", "at least 0"]),
        ("SOLVER: {BASE_LR: -0.1}", (), ["SOLVER.BASE_LR is -0.1", "at least 0"]),
        ("TRAIN: {BATCH_SIZE: 0}", (), ["TRAIN.BATCH_SIZE is 0", "at least 1"]),
        ("TRAIN: {ACCUMULATE: 0}", (), ["TRAIN.ACCUMULATE is 0", "at least 1"]),
        ("AUG: {COLOR_JITTER: 1.5}", (), ["AUG.COLOR_JITTER is 1.5", "from 0 to 1"]),
        ("", ("MIXUP.ALPHA", "-1"), ["command line: MIXUP.ALPHA is -1.0", "at least 0"]),
        ("", ("AUG.ERASE", ".nan"), ["AUG.ERASE is nan", "from 0 to 1"]),
        (
            "DATA: {STD: [0.2, 0.2, 0]}",
            (),
            ["a.yaml:1", "DATA.STD is [0.2, 0.2, 0]", "three numbers from 1e-06 to 1"],
        ),
        ("DATA: {MEAN: [123.7, 116.3, 103.5]}", (), ["DATA.MEAN is [123.7", "pixels in 0..1, not in 0..255"]),
        ("DATA: {MEAN: [a, b, c]}", (), ["DATA.MEAN is", "three numbers"]),
        ("DATA: {MEAN: [0.45]}", (), ["DATA.MEAN is [0.45]", "three numbers"]),
        ("SEED: 1\nSEED: 2", (), ["a.yaml:2", "SEED", "twice", "a.yaml:1"]),
        ("SEED: [1", (), ["a.yaml:", "not YAML"]),
        ("- 1", (), ["a.yaml", "mapping"]),
        ("SEED: !!python/object/apply:os.system ['true']", (), ["a.yaml:1", "SEED", "plain YAML"]),
        ("_BASE_: a.yaml", (), ["a.yaml", "circle"]),
        ("_BASE_: none.yaml", (), ["none.yaml", "no such config", "a.yaml"]),
        ("", ("SEED",), ["command line", "SEED", "no value"]),
        ("", ("DATA.MEAN", "[0.4,", "0.4,", "0.4]"), ["DATA.MEAN is '[0.4,'", "a list"]),
        ("", ("DATA.MEAN", "[0.4,", "0.4]"), ["'0.4]' has no value", "spaces in quotes"]),
        ("", ("SEEED", "1"), ["command line", "SEEED", "did you mean SEED?"]),
    ],
)
def test_mistakes_name_the_place_the_key_and_the_way_out(write, text, overrides, words):
    with pytest.raises(ConfigError) as error:
        load(write(text), *overrides)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_every_call_section_has_a_name_key():
    assert all(f"{section}.NAME" in KEYS for section in CALLS)
