"""Official annotation files: found, missing and extra videos, canonical classes, and a message for every broken row."""

import pytest

from videonet.data.kinetics import ListError, read_list
from videonet.data.official import hmdb51, kinetics, ucf101

HEADER = "label,youtube_id,time_start,time_end,split\n"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def rows(path) -> list[tuple]:
    return [(record.path.rsplit("/", 1)[1], record.label) for record in read_list(path)]


def test_kinetics(tmp_path):
    (tmp_path / "train.csv").write_text(
        HEADER + 'zumba,abc_-123456,10,20,train\n"air drumming, loud",def,0.0,10.0,train\nzumba,gone,1,11,train\n'
    )
    (tmp_path / "val.csv").write_text(HEADER + "zumba,ghi,10,20,validate\n")
    touch(tmp_path / "v", "zumba/abc_-123456_000010_000020.mp4", "def.mkv", "val/ghi.mp4", "stray.mp4")
    report = kinetics([tmp_path / "train.csv", tmp_path / "val.csv"], tmp_path / "v", tmp_path / "lists")
    assert rows(tmp_path / "lists/train.csv") == [("abc_-123456_000010_000020.mp4", 1), ("def.mkv", 0)]
    assert rows(tmp_path / "lists/val.csv") == [("ghi.mp4", 1)]
    assert (tmp_path / "lists/classes.txt").read_text() == "air drumming, loud\nzumba\n"
    assert (report["found"], report["missing"], report["extra"]) == (3, 1, 1)
    assert (tmp_path / "lists/missing.txt").read_text() == "train gone_000001_000011\n"
    assert report["train_digest"] == read_list(tmp_path / "lists/train.csv").digest()
    assert kinetics(tmp_path / "val.csv", tmp_path / "v", tmp_path / "only")["found"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("youtube_id,split\n", r"x\.csv: no column label, time_start, time_end"),
        (HEADER + "a,b,0,10,holdout\n", r"x\.csv:2: expected a label and a split"),
        (HEADER + "a,b,0,10,train\na,b,,10,train\n", r"x\.csv:3: time_start and time_end must be seconds"),
        (HEADER + "a,b,0,10,train\n", "none of the 1 annotated videos is there, e.g. b_000000_000010.mp4"),
        (HEADER, "none of the 0 annotated videos is there$"),
    ],
)
def test_broken_annotations(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ListError, match=message):
        kinetics(tmp_path / "x.csv", tmp_path, tmp_path / "lists")
    with pytest.raises(ListError, match="no such f"):
        kinetics(tmp_path / "y.csv", tmp_path, tmp_path / "lists")


def test_ucf101(tmp_path):
    (tmp_path / "classInd.txt").write_text("1 Archery\r\n2 HandstandPushups\r\n")
    (tmp_path / "trainlist02.txt").write_text(
        "Archery/v_Archery_g08_c01.avi 1\nHandstandPushups/v_HandStandPushups_g01_c01.avi 2\n"
    )
    (tmp_path / "testlist02.txt").write_text("Archery/v_Archery_g01_c01.avi\nArchery/v_Archery_g01_c02.avi\n")
    touch(tmp_path / "v", "Archery/v_Archery_g08_c01.avi", "Archery/v_Archery_g01_c01.avi")
    touch(tmp_path / "v", "HandStandPushups/v_HandstandPushups_g01_c01.mp4")
    report = ucf101(tmp_path, tmp_path / "v", tmp_path / "lists", fold=2)
    assert [label for _, label in rows(tmp_path / "lists/train.csv")] == [0, 1]
    assert rows(tmp_path / "lists/val.csv") == [("v_Archery_g01_c01.avi", 0)]
    assert (report["found"], report["missing"], report["extra"]) == (3, 1, 0)
    (tmp_path / "testlist02.txt").write_text("Arch/v.avi\n")
    with pytest.raises(ListError, match=r"testlist02\.txt:1: expected CLASS/video\.avi"):
        ucf101(tmp_path, tmp_path / "v", tmp_path / "lists", fold=2)
    with pytest.raises(ListError, match=r"trainlist01\.txt: no such file"):
        ucf101(tmp_path, tmp_path / "v", tmp_path / "lists")


def test_hmdb51(tmp_path):
    (tmp_path / "brush_hair_test_split1.txt").write_text("a [x]&b.avi 1 \nb.avi 2 \nc.avi 0 \n")
    (tmp_path / "wave_test_split1.txt").write_text("d.avi 1 \n")
    (tmp_path / "wave_test_split2.txt").write_text("d.avi 7 \n")
    touch(tmp_path / "v", "brush_hair/a [x]&b.avi", "brush_hair/b.avi", "brush_hair/c.avi", "wave/d.avi")
    report = hmdb51(tmp_path, tmp_path / "v", tmp_path / "lists")
    assert rows(tmp_path / "lists/train.csv") == [("a [x]&b.avi", 0), ("d.avi", 1)]
    assert rows(tmp_path / "lists/val.csv") == [("b.avi", 0)]
    assert (report["found"], report["missing"], report["extra"]) == (3, 0, 1)
    with pytest.raises(ListError, match=r"wave_test_split2\.txt:1: expected `video\.avi` and 0, 1 or 2"):
        hmdb51(tmp_path, tmp_path / "v", tmp_path / "lists", fold=2)
    with pytest.raises(ListError, match="no CLASS_test_split3"):
        hmdb51(tmp_path, tmp_path / "v", tmp_path / "lists", fold=3)
