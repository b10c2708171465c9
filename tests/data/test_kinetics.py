"""The Kinetics list format: every form that PySlowFast reads, and file, line and rule for every other."""

import os

import pytest

from videonet.data.kinetics import ListError, read_classes, read_list


@pytest.fixture
def write(tmp_path):
    def write(text: str, classes: str | None = None):
        (tmp_path / "train.csv").write_bytes(text.encode())
        if classes is not None:
            (tmp_path / "classes.txt").write_text(classes)
        return tmp_path / "train.csv"

    return write


def rows(records) -> list[tuple]:
    return [(records.path(i), records[i].label, records[i].line) for i in range(len(records))]


def test_spaces_and_commas_in_paths(write):
    path = write("a.mp4 0\n\nmy clip, no 2.mp4 11\r\n/abs/b c/d.mp4 3  \n")
    assert rows(read_list(path)) == [("a.mp4", 0, 1), ("my clip, no 2.mp4", 11, 3), ("/abs/b c/d.mp4", 3, 4)]


def test_other_separators(write):
    assert rows(read_list(write("a, b.mp4,4\nc.mp4, 5\n"), separator=",")) == [("a, b.mp4", 4, 1), ("c.mp4", 5, 2)]
    for tab in ("\t", r"\t"):
        assert rows(read_list(write("a b.mp4\t4\n"), separator=tab)) == [("a b.mp4", 4, 1)]
    with pytest.raises(ValueError, match="separator"):
        read_list(write("a 1\n"), separator="")


def test_the_older_three_fields(write):
    assert rows(read_list(write("a.mp4 17 3\nb 17.mp4 3\nc d.mp4 17 3\n"))) == [
        ("a.mp4", 3, 1),
        ("b 17.mp4", 3, 2),
        ("c d.mp4 17", 3, 3),
    ]


def test_byte_order_mark_and_odd_bytes(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfa.mp4 1\ncaf\xe9.mp4 2\n")
    assert [os.fsencode(read_list(path).path(i)) for i in range(2)] == [b"a.mp4", b"caf\xe9.mp4"]


def test_where_relative_paths_start(write, tmp_path, monkeypatch):
    path = write("v/a.mp4 0\n")
    assert read_list(path)[0].path == str(tmp_path / "v/a.mp4")
    assert read_list(path, prefix="/data")[0].path == "/data/v/a.mp4"
    (tmp_path / "home/v").mkdir(parents=True)
    (tmp_path / "home/v/a.mp4").touch()
    monkeypatch.chdir(tmp_path / "home")
    assert read_list(path)[0].path == "v/a.mp4"
    (tmp_path / "v").mkdir()
    (tmp_path / "v/a.mp4").touch()
    assert read_list(path)[0].path == str(tmp_path / "v/a.mp4")


def test_class_names_beside_the_list(write):
    path = write("a.mp4 0\nb.mp4 1\n", "run\njump high\n\n")
    records = read_list(path)
    assert (records.classes, records.num_classes) == (("run", "jump high"), 2)
    assert read_list(path, num_classes=2).classes == records.classes
    with pytest.raises(ListError, match=r"train\.csv: 2 class names beside it, but the model has 3 classes"):
        read_list(path, num_classes=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4 0\nb.mp4\n", r"train\.csv:2: expected `path label`, got 'b\.mp4'"),
        ("a.mp4 0\n\n 1\n", r"train\.csv:3: expected `path label`, got ' 1'"),
        ("a.mp4 one\n", r"train\.csv:1: the label must be a whole number, got 'one'"),
        ("a.mp4 1.0\n", r"train\.csv:1: the label must be a whole number, got '1\.0'"),
        ("a.mp4 1_0\n", r"train\.csv:1: the label must be a whole number, got '1_0'"),
        ("a.mp4 -1\n", r"train\.csv:1: the label must be 0 or more, got -1"),
        ("a.mp4 0\nb.mp4 5\n", r"train\.csv:2: label 5 is out of range: 5 classes are 0 to 4"),
        ("a.mp4,3\n", r"train\.csv:1: .*separated by ',': set DATA\.SEPARATOR"),
        ("my clip.mp4,3\n", r"train\.csv:1: .*separated by ',': set DATA\.SEPARATOR"),
        ("a b.mp4\t3\n", r"train\.csv:1: .*separated by a tab: set DATA\.SEPARATOR"),
        ("label,youtube_id,time_start,time_end,split\n", r"train\.csv:1: .*`videonet data kinetics`"),
        ("", r"train\.csv: the list is empty"),
        ("\n \n", r"train\.csv: the list is empty"),
        ("a.mp4 2\nb.mp4 2\n", r"train\.csv: all 2 rows have label 2; with one class"),
    ],
)
def test_each_broken_list_has_its_message(write, text, message):
    with pytest.raises(ListError, match=message) as error:
        read_list(write(text), num_classes=5, training=True)
    assert "\n" not in str(error.value)


def test_one_class_can_be_tested_and_no_list_is_said(write, tmp_path):
    assert len(read_list(write("a.mp4 2\nb.mp4 2\n"))) == 2
    with pytest.raises(ListError, match="no such list"):
        read_list(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "message"), [("a\n\nb\n", "txt:2: an empty"), ("a\nb\na\n", "txt:3: .* line 1"), ("\n", "no class name")]
)
def test_broken_class_names(tmp_path, text, message):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(ListError, match=message):
        read_classes(tmp_path / "classes.txt")


def test_reference_set(shared):
    train, val = read_list(shared / "data/har7/train.csv", training=True), read_list(shared / "data/har7/val.csv")
    assert (len(train), len(val), train.num_classes) == (189, 84, 7)
    assert os.path.exists(train[0].path)
