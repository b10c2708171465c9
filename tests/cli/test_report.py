"""videonet report: the table of a run from its predictions alone, and what differs between two results."""

import json

import numpy as np
import pytest

from videonet.report import prediction, write_predictions

CLASSES = ["run", "sit, down", "wave"]


@pytest.fixture
def folder(tmp_path):
    scores = np.eye(3)[[0, 0, 2, 2, 1, 0]] * 0.5 + 0.1
    labels = [0, 0, 2, 2, 2, 1]
    rows = [prediction(f"{i}.mp4", label, row, CLASSES, 30) for i, (label, row) in enumerate(zip(labels, scores))]
    write_predictions(rows, tmp_path / "predictions.csv")
    return tmp_path


def test_the_table_has_every_class_and_the_totals(videonet, folder):
    code, out, _ = videonet("report", folder)
    lines = out.splitlines()
    assert code == 0 and lines[-1] == "top1 66.67 %, top5 100.00 % of 6 clips"
    assert lines[1].split() == ["0.00", "100.00", "1", "1", "sit,", "down", "(run)"], "the worst class comes first"
    assert (folder / "per_class.csv").read_text().count("\n") == 4
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert videonet("report", folder / "predictions.csv")[1] == out


def test_json_has_the_same_numbers(videonet, folder):
    code, out, _ = videonet("report", folder, "--json")
    said = json.loads(out)
    assert code == 0 and said["top1"] == pytest.approx(66.6667) and said["classes"] == CLASSES
    assert said["counts"] == [[2, 0, 0], [1, 0, 0], [0, 1, 2]]


def test_diff_names_the_fields_that_differ(videonet, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text('{"metric": {"top1": 70.1}, "views": {"clips": 10}, "list": "a"}')
    (tmp_path / "b.json").write_text('{"metric": {"top1": 71.3}, "views": {"clips": 10}, "split": "val", "list": "a"}')
    code, out, _ = videonet("report", "diff", tmp_path / "run", tmp_path / "b.json")
    assert code == 0 and out.splitlines() == ["metric.top1: 70.1 -> 71.3", "split: None -> 'val'"]
    code, out, _ = videonet("report", "diff", tmp_path / "run", tmp_path / "b.json", "--json")
    assert json.loads(out) == {"metric.top1": [70.1, 71.3], "split": [None, "val"]}
    assert videonet("report", "diff", tmp_path / "run", tmp_path / "run")[1] == "the results are equal\n"


def test_mistakes_are_one_line(mistake, tmp_path):
    assert "no such file; a test writes it" in mistake("report", tmp_path)
    (tmp_path / "predictions.csv").write_text("path,label\n")
    assert "lacks the columns" in mistake("report", tmp_path)
    assert "report takes one folder" in mistake("report", tmp_path, tmp_path)
    assert "takes two result.json" in mistake("report", "diff", tmp_path)
    (tmp_path / "result.json").write_text("[1]")
    assert "this is no result.json" in mistake("report", "diff", tmp_path, tmp_path)
    (tmp_path / "result.json").write_text("{")
    assert "not JSON" in mistake("report", "diff", tmp_path, tmp_path)


def test_help_has_an_example(videonet):
    code, out, _ = videonet("report", "--help")
    assert code == 0 and "videonet report diff output/a" in out


def test_several_labels_a_clip_have_average_precisions(videonet, tmp_path):
    scores = np.array([[0.9, 0.1, 0.3], [0.8, 0.7, 0.2], [0.1, 0.6, 0.1]], np.float32)
    labels = np.float32([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    rows = [prediction(f"{i}.mp4", label, row, CLASSES, 30) for i, (label, row) in enumerate(zip(labels, scores))]
    write_predictions(rows, tmp_path / "predictions.csv")
    code, out, _ = videonet("report", tmp_path)
    assert code == 0 and out.splitlines()[-1] == "mAP 91.67 % of 3 clips", out
    assert out.splitlines()[1].split() == ["83.33", "2", "run"] and out.splitlines()[3].split() == ["-", "0", "2"]
    said = json.loads(videonet("report", tmp_path, "--json")[1])
    assert said["mAP"] == pytest.approx((5 / 6 + 1) / 2) and said["per_class"][2]["ap"] is None
    assert not (tmp_path / "confusion.png").exists()


def test_boxes_are_sent_to_their_own_figures(videonet, tmp_path):
    (tmp_path / "predictions.csv").write_text("video,t_sec,x1,y1,x2,y2,label,score,person\na,1,0,0,1,1,run,0.5,\n")
    code, _, err = videonet("report", tmp_path)
    assert code == 2 and "per_class.csv" in err and "videonet evaluate ava" in err
