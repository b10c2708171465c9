"""A tiny network with the checkpoint that a run of it leaves, and tiny videos, for the verbs that work on both."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.data.movies import Movie
from videonet import build, config
from videonet.cli.main import main
from videonet.engine.state import State
from videonet.source import read_overrides

CLASSES = ("wave", "run", "pour tea", "sit, down")
TINY = [
    *("MODEL.NAME", "slowfast", "MODEL.DEPTH", 18, "MODEL.ALPHA", 4, "MODEL.BETA_INV", 2, "MODEL.SCALE", 0.125),
    *("DATA.NUM_FRAMES", 8, "DATA.SAMPLING_RATE", 2, "DATA.TARGET_FPS", 25, "DATA.TRAIN_CROP_SIZE", 32),
    *("DATA.TEST_CROP_SIZE", 40, "TEST.NUM_ENSEMBLE_VIEWS", 2, "TEST.NUM_SPATIAL_CROPS", 3, "DEVICE", "cpu"),
]


def save_checkpoint(path: Path, overrides: list = TINY, classes: tuple[str, ...] = CLASSES, **parts: object) -> Path:
    """A checkpoint as a training run leaves it; parts replace what it holds."""
    torch.manual_seed(0)
    cfg = config.assemble([read_overrides(overrides)], build.tables_of)
    model = build.build_model(cfg, len(classes) or 4)
    for module in model.modules():  # a trained network has norms that do something
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            module.running_mean.normal_(0, 0.1)
    extra = {"classes": list(classes), "mean": cfg.DATA.MEAN, "std": cfg.DATA.STD, "config": config.dump(cfg)}
    content = State(model, torch.optim.SGD(model.parameters(), 0.1), extra=extra).state_dict()
    torch.save({**content, **parts}, path)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("run") / "best")


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of 25 frames, wider than high."""
    options = {"preset": "ultrafast", "g": "12", "bf": "2"}
    return Movie("clip one.mp4", options=options, frames=100).write(tmp_path_factory.mktemp("movies"))


@pytest.fixture
def videonet(capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    """Run a verb: (exit code, stdout, stderr)."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as ending:
            code = int(ending.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


@pytest.fixture
def mistake(videonet: Callable) -> Callable[..., str]:
    """Run a verb that must refuse: its one line."""

    def call(*words: object) -> str:
        code, out, err = videonet(*words)
        assert code == 2 and not out, (code, out, err)
        lines = err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("videonet: "), err
        return lines[0]

    return call
