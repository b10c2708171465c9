"""Check: each broken row has its kind, whichever process found it, and a good list has none."""

import csv
import json
import os
import re
import shutil
import wave

import numpy as np
import pytest

from videonet.cli.main import main
from videonet.data import box_splits
from videonet.data.check import check
from videonet.data.check_boxes import check_boxes, is_box_list
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


@pytest.fixture
def boxes(root, tmp_path):
    """A list of boxes with one row of each kind."""
    write_video(tmp_path / "good.mp4", np.zeros((20, 32, 32, 3), np.uint8), 10)
    (tmp_path / "empty.mp4").touch()
    shutil.copy(root / "damaged.mp4", tmp_path)
    (tmp_path / "classes.txt").write_text("run\nsit\n")
    rows = [
        *("good,0.5,0.1,0.1,0.9,0.9,run", "good,0.5,0.1,0.1,0.9,0.9,sit", "good,1.9,0,0,1,1,", "good,0.7"),
        *("good,2.0,0,0,1,1,run", "gone,1,0,0,1,1,run", "empty,1,0,0,1,1,sit", "damaged,1,0,0,1,1,run", ""),
        *(
            "good,1,0,0,15,10,run",
            "good,1,0.5,0,0.5,1,run",
            "good,1,0,0,1,1,fly",
            "good,1,0,0,1,1,2",
            "good,x,0,0,1,1,1",
        ),
    ]
    (tmp_path / "boxes.csv").write_text("\n".join(["video,t_sec,x1,y1,x2,y2,label", *rows]) + "\n")
    return tmp_path / "boxes.csv"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_kind_of_box_has_its_row(boxes, tmp_path, workers):
    report = check_boxes(boxes, bad=tmp_path / "bad.csv", workers=workers)
    assert {row["line"]: row["problem"].split(":")[0].split(" at ")[0] for row in report["bad"]} == {
        **{6: "beyond the end", 7: "missing", 8: "empty", 9: "decode error", 11: "box outside the frame"},
        **{12: "box without area", 13: "unknown label", 14: "label out of range", 15: "malformed"},
    }
    told = {row["line"]: (row["path"], row["label"]) for row in report["bad"]}
    assert told[6] == ("good@2", 0) and told[8] == ("empty@1", 1) and told[15] == ("", -1)
    assert report["rows"] == 12 and report["counts"]["good"] == 3 and sum(report["counts"].values()) == 12
    assert [report[key] for key in ("videos", "keyframes", "boxes", "labels", "classes")] == [1, 2, 2, 2, 2]
    assert report["digest"] == ""
    with (tmp_path / "bad.csv").open(newline="") as file:
        assert [int(row["line"]) for row in csv.DictReader(file)] == list(told)


def test_the_command_knows_a_list_of_boxes_by_its_header(boxes, capsys):
    assert main(["data", "check", str(boxes)]) == 2
    out = capsys.readouterr().out
    assert f"{boxes}:13: unknown label: label 'fly' is not one of the 2 classes" in out
    assert f"{boxes}:7: gone@1: missing" in out and re.search(r"keyframes +2", out)
    boxes.write_text("\n".join(boxes.read_text().splitlines()[:4]) + "\n")
    assert main(["data", "check", "--task", "boxes", str(boxes), "--json"]) == 0
    split = box_splits.boxes(boxes.parent, "boxes")
    assert json.loads(capsys.readouterr().out)["digest"] == split.digest(), "what result.json will say"
    assert not is_box_list(boxes.with_name("classes.txt")) and main(["data", "check", "gone.csv"]) == 2
