"""videonet info: what networks and configs cost, said for what."""

import json
from pathlib import Path

import pytest

from videonet.cli.main import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DETECTION = sorted(path for path in (CONFIGS / "AVA").glob("*.yaml") if path.stem != "base")


@pytest.mark.parametrize("path", DETECTION, ids=lambda path: path.stem)
def test_a_detection_network_is_counted_with_one_box(path, capsys):
    assert main(["info", "--cfg", str(path)]) == 0
    first, *stages = capsys.readouterr().out.splitlines()
    assert first.endswith(" with one box") and stages[-1].split()[0] == "head"
    assert main(["info", "--cfg", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    head = found["stages"][-1]["gmacs"]
    assert found["boxes"] == 1 and 0 < head < 0.001 and found["gmacs"] > 10, "the backbone is nearly all of it"


def test_a_network_of_clips_has_no_box(capsys):
    assert main(["info", "--cfg", str(CONFIGS / "Demo" / "SLOWFAST_DEMO.yaml")]) == 0
    assert "box" not in capsys.readouterr().out
    assert main(["info", "slowfast_8x8_r50"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(" at 3 x 32 x 224 x 224")
