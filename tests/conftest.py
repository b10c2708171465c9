"""Settings and fixtures of the whole suite: one thread (small nets are slower on two), optional reference data."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # runs that a test starts keep to it too; before torch reads it

import pytest
import torch

torch.set_num_threads(1)
SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the nightly tests out unless `-m` asks for them."""
    if config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="nightly: run with -m nightly")
    for item in items:
        if "nightly" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference data beside the repository; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the reference data folder ../shared is absent")
    return SHARED
