"""`--cfg` takes a PySlowFast YAML as it stands, with overrides in its keys or in ours."""

import pytest

import videonet
from videonet.source import ConfigError

THEIRS = """
TRAIN: {ENABLE: true, DATASET: kinetics, BATCH_SIZE: 64}
DATA: {NUM_FRAMES: 32, SAMPLING_RATE: 2, INPUT_CHANNEL_NUM: [3, 3]}
SLOWFAST: {ALPHA: 8, BETA_INV: 8, FUSION_CONV_CHANNEL_RATIO: 2, FUSION_KERNEL_SZ: 5}
RESNET: {DEPTH: 50, ZERO_INIT_FINAL_BN: true}
SOLVER: {BASE_LR: 0.1, LR_POLICY: cosine, MAX_EPOCH: 196, WEIGHT_DECAY: 1e-4}
MODEL: {NUM_CLASSES: 400, ARCH: slowfast, MODEL_NAME: SlowFast}
NUM_GPUS: 8
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "SLOWFAST_4x16_R50.yaml"
    path.write_text(THEIRS)
    return path


def test_a_pyslowfast_file_becomes_ours(path, capsys):
    cfg = videonet.load_config(path)
    assert (cfg.MODEL.NAME, cfg.MODEL.ALPHA, cfg.MODEL.FUSION_KERNEL, cfg.SOLVER.MAX_EPOCH) == ("slowfast", 8, 5, 196)
    assert "NUM_GPUS 8" in capsys.readouterr().err


def test_overrides_may_be_theirs_or_ours(path):
    cfg = videonet.load_config(path, ["SLOWFAST.ALPHA", 4, "TRAIN.BATCH_SIZE", "8", "TRAIN.PRECISION", "bf16"])
    assert (cfg.MODEL.ALPHA, cfg.TRAIN.BATCH_SIZE, cfg.TRAIN.PRECISION) == (4, 8, "bf16")


def test_a_key_of_neither_is_an_error_that_names_it(path):
    with pytest.raises(ConfigError, match=r"SLOWFAST\.ALHPA"):
        videonet.load_config(path, ["SLOWFAST.ALHPA", 4])
