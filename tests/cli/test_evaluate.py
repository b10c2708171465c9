"""videonet evaluate ava: the golden results of the public evaluators, plain lists, and one line for each mistake."""

import json

import pytest

from videonet.cli.evaluate import evaluate_files
from videonet.cli.main import main

GOLDEN = {
    "small": {"official": 0.0938552, "slowfast": 0.0938552, "mmaction2": 0.0938552, "recommended": 0.0938552},
    "synth0": {"official": 0.272088, "slowfast": 0.251330, "mmaction2": 0.303184, "recommended": 0.251330},
}


def golden_files(shared, name):
    folder = shared / "golden" / "ava" / name
    files = {"gt": folder / "gt.csv", "pred": folder / "pred.csv", "labels": next(folder.glob("action_list*"))}
    return files | ({"excluded": folder / "excluded.csv"} if (folder / "excluded.csv").exists() else {})


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("protocol", GOLDEN["small"])
def test_golden_results(shared, name, protocol):
    result = evaluate_files(**golden_files(shared, name), protocol=protocol)
    assert result["mAP"] == pytest.approx(GOLDEN[name][protocol], abs=1e-6)


def test_golden_result_without_exclusions(shared):
    files = golden_files(shared, "synth0")
    del files["excluded"]
    assert evaluate_files(**files, protocol="slowfast")["mAP"] == pytest.approx(0.241325, abs=1e-6)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("protocol", GOLDEN["small"])
def test_annotations_as_detections_are_exactly_one(shared, tmp_path, name, protocol):
    files = golden_files(shared, name)
    rows = [row.rpartition(",")[0] + ",1.0\n" for row in files["gt"].read_text().split()]
    (tmp_path / "pred.csv").write_text("".join(rows))
    if protocol == "mmaction2":  # of excluded keyframes it drops detections, but still counts annotations
        files.pop("excluded", None)
    assert evaluate_files(**files | {"pred": tmp_path / "pred.csv"}, protocol=protocol)["mAP"] == 1.0


@pytest.fixture
def ava_files(tmp_path):
    (tmp_path / "gt.csv").write_text("v,0902,0,0,0.5,1,1,0\nv,0902,0.5,0,1,1,12,1\nv,0903,0,0,1,1,12,0\n")
    (tmp_path / "pred.csv").write_text("v,902,0,0,0.5,1,1,0.9\nv,902,0.5,0,1,1,12,0.8\nv,904,0,0,1,1,12,0.9\n")
    (tmp_path / "map.pbtxt").write_text('item {\n  name: "bend"\n  id: 1\n}\nitem {\n  name: "stand"\n  id: 12\n}\n')
    (tmp_path / "excluded.csv").write_text("v,0904\n")
    return tmp_path


def run(folder, *extra, **changes):
    names = {"gt": "gt.csv", "pred": "pred.csv", "labels": "map.pbtxt"} | changes
    words = [word for key, name in names.items() for word in (f"--{key}", str(folder / name))]
    return main(["evaluate", "ava", *words, *extra])


def test_json_has_everything(ava_files, capsys):
    assert run(ava_files, "--json", excluded="excluded.csv") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["mAP"], result["protocol"]) == (0.75, "recommended")
    assert result["per_class"][1] == {"id": 12, "name": "stand", "ap": 0.5, "truth": 2, "detections": 1, "matched": 1}
    assert result["per_group"]["person movement"] == 0.75
    assert result["statistics"]["detections_excluded"] == 1
    assert len(result["reasons"]) == 1
    assert result["reasons"][0].startswith("only 1 of 2 annotated keyframes have detections")


def test_text_ends_with_the_result_and_its_reasons(ava_files, capsys):
    assert run(ava_files, "--protocol", "official", excluded="excluded.csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "mAP 75.00 (official protocol)"
    assert "note: the official protocol knows no exclusions: 1 excluded timestamps were not left out" in lines
    assert "keyframes with annotations 2, with detections 2, with both 1" in lines
    assert "annotated boxes 3, of these matched at IoU >= 0.5 by a detected box: 66.67 %" in lines
    assert "100.00          1         1         1  1 bend" in lines


def test_files_that_do_not_belong_together_explain_the_zero(ava_files):
    (ava_files / "pred.csv").write_text("w,902,0,0,0.5,1,1,0.9\n")
    result = evaluate_files(ava_files / "gt.csv", ava_files / "pred.csv", ava_files / "map.pbtxt")
    assert (result["mAP"], result["statistics"]["videos_with_both"]) == (0.0, 0)
    assert "only 0 of 2 annotated keyframes have detections" in result["reasons"][0]
    (ava_files / "map.pbtxt").write_text('name: "kick"\nid: 77\n')
    result = evaluate_files(ava_files / "gt.csv", ava_files / "pred.csv", ava_files / "map.pbtxt")
    assert result["mAP"] is None
    assert "is it the map of these annotations?" in result["reasons"][0]


def test_plain_box_lists(tmp_path, capsys):
    (tmp_path / "gt.csv").write_text(
        "video,t_sec,x1,y1,x2,y2,label\na.mp4,0.5,0,0,0.5,1,run\na.mp4,0.5,0.5,0,1,1,walk\n"
    )
    (tmp_path / "pred.csv").write_text(
        "video,t_sec,x1,y1,x2,y2,label,score\na.mp4,0.500,0,0,0.5,1,run,0.9\na.mp4,0.5,0.5,0,1,1,run,0.8\n"
    )
    (tmp_path / "map.pbtxt").write_text("run\nwalk\n")
    assert run(tmp_path, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [(c["name"], c["ap"]) for c in result["per_class"]] == [("run", 1.0), ("walk", 0.0)]
    assert result["per_group"] == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gt": "none.csv"}, "none.csv: cannot be read: No such file or directory"),
        ({"labels": "none.txt"}, "none.txt: cannot be read: No such file or directory"),
        ({"pred": "map.pbtxt"}, "map.pbtxt:1: 1 columns instead of the 8 of video,second,x1,y1,x2,y2,label,score"),
        ({"labels": "excluded.csv"}, "gt.csv:1: the header must be video,t_sec,x1,y1,x2,y2,label"),
        ({"excluded": "pred.csv"}, "pred.csv:1: expected `video,second`"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(ava_files, capsys, changes, message):
    assert run(ava_files, **changes) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_an_unknown_protocol_and_help(ava_files, capsys):
    with pytest.raises(SystemExit) as error:
        run(ava_files, "--protocol", "coco")
    assert error.value.code == 2
    assert "invalid choice: 'coco'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", "ava", "--help"])
    assert "ava_val_excluded_timestamps_v2.2.csv" in capsys.readouterr().out
