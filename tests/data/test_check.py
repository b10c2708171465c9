"""Check: each broken row has its kind, whichever process found it, and a good list has none."""

import csv
import os
import wave

import numpy as np
import pytest

from videonet.data.check import check
from videonet.data.demo import draw_clip, write_video
from videonet.data.kinetics import ListError, read_list
from videonet.data.processes import CRASHED, in_processes


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One file of each kind."""
    root = tmp_path_factory.mktemp("check")
    frames = draw_clip(np.random.default_rng(0), "left", 40, 64)
    write_video(root / "good, with spaces.mp4", frames, 30)
    write_video(root / "short.mp4", frames[:7], 30)
    (root / "empty.mp4").touch()
    (root / "text.mp4").write_text("no video at all\n" * 50)
    whole = (root / "good, with spaces.mp4").read_bytes()
    (root / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    middle = bytearray(whole)
    at = whole.index(b"mdat") + 1200
    middle[at : at + 1500] = bytes(1500)
    (root / "damaged.mp4").write_bytes(middle)
    with wave.open(str(root / "sound.wav"), "w") as sound:
        sound.setparams((1, 2, 8000, 100, "NONE", ""))
        sound.writeframes(bytes(200))
    return root


@pytest.mark.parametrize("workers", [1, 2])
def test_every_kind_has_its_row(root, tmp_path, workers):
    files = ["good, with spaces.mp4 1", "short.mp4 0", "empty.mp4 0", "text.mp4 0", "cut.mp4 1", "damaged.mp4 1"]
    lines = [*files, "sound.wav 1", "absent.mp4 0", "short.mp4 2", "just_a_path.mp4", "good, with spaces.mp4 x"]
    (root / "train.csv").write_text("\n".join([*lines, "", "good, with spaces.mp4 0"]) + "\n")
    report = check(root / "train.csv", num_classes=2, clip=(8, 1, 30), bad=tmp_path / "bad.csv", workers=workers)
    problems = {row["line"]: row["problem"] for row in report["bad"]}
    assert set(problems) == set(range(2, 12))
    starts = {
        2: "too short: 7 frames, a clip spans 8",
        3: "empty",
        4: "unreadable",
        6: "decode error at frame ",
        7: "no video stream",
        8: "missing",
        9: "label out of range: 2, while 2 classes are 0 to 1",
        10: "malformed: expected `path label`",
        11: "malformed: the label must be a whole number",
    }
    for line, start in starts.items():
        assert problems[line].startswith(start), (line, problems[line])
    assert (report["rows"], report["counts"]["good"], report["duplicates"], report["digest"]) == (12, 2, 2, "")
    assert report["counts"]["malformed"] == 2
    assert report["counts"]["decode error"] >= 1
    assert sum(report["counts"].values()) == 12
    with (tmp_path / "bad.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(int(row["line"]), row["problem"]) for row in written] == list(problems.items())
    assert written[1]["path"] == str(root / "empty.mp4")


def test_a_good_list(root):
    (root / "val.csv").write_text("good, with spaces.mp4 0\nshort.mp4 1\n")
    report = check(root / "val.csv")
    assert report["counts"] == {"good": 2}
    assert report["bad"] == []
    assert report["digest"] == read_list(root / "val.csv").digest()


def test_no_list_is_an_error(tmp_path):
    with pytest.raises(ListError, match="no such list"):
        check(tmp_path / "none.csv")
    (tmp_path / "none.csv").touch()
    with pytest.raises(ListError, match="empty"):
        check(tmp_path / "none.csv")


def fragile(path: str) -> str:
    if "crash" in path:
        os._exit(11)
    if "error" in path:
        raise RuntimeError(path)
    return path.upper()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_process_that_dies_costs_one_result(workers):
    paths = {number: "crash" if number in (2, 9) else f"path {number}" for number in range(12)}
    results = dict(in_processes(fragile, paths, workers))
    assert {number for number, result in results.items() if result is CRASHED} == {2, 9}
    assert all(results[number] == f"PATH {number}" for number in paths if number not in (2, 9))
    with pytest.raises(RuntimeError, match="error 1"):
        list(in_processes(fragile, {1: "error 1"}, workers))
