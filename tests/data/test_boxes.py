"""Box lists: what is read, what is merged, and the message of each kind of broken row."""

import numpy as np
import pytest

from videonet.data.annotation import AnnotationError
from videonet.data.box_list import HEADER, read_box_list, write_box_list
from videonet.data.box_rows import read_rows
from videonet.data.boxes import keyframe_id, merge
from videonet.data.keyframes import keyframes

GOOD = "a.mp4,1.5,0.1,0.2,0.3,0.4,run"


def write(folder, *rows, header=HEADER, name="boxes.csv"):
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def rows_of(boxes):
    """The labels of a list as plain tuples."""
    names = boxes.names()
    return [
        (names[boxes.video[b]], float(boxes.time[b]), *boxes.box[b].tolist(), int(k), float(s))
        for b, k, s in zip(boxes.row, boxes.label, boxes.score)
    ]


def test_reads_every_column(tmp_path):
    path = write(
        tmp_path,
        GOOD + ",0.25,left man",
        "a.mp4,1.5,0.1,0.2,0.3,0.4,walk,0.75,left man",
        '"b, the second.mp4",0,0,0,1,1,,,',
        '"b, the second.mp4",0,0,0,1,0.5,"jump, high",1,2',
        "",
        header=HEADER + ",score,person",
    )
    boxes = read_box_list(path)
    assert boxes.classes == ("jump, high", "run", "walk")
    assert rows_of(boxes) == [
        ("a.mp4", 1.5, 0.1, 0.2, 0.3, 0.4, 1, 0.25),
        ("a.mp4", 1.5, 0.1, 0.2, 0.3, 0.4, 2, 0.75),
        ("b, the second.mp4", 0, 0, 0, 1, 1, -1, 1),
        ("b, the second.mp4", 0, 0, 0, 1, 0.5, 0, 1),
    ]
    assert boxes.person.tolist() == [b"left man", b"", b"2"]
    swapped = write(tmp_path, GOOD + ",me,0.5", header=HEADER + ",person,score", name="swapped.csv")
    assert (read_box_list(swapped).person[0], read_box_list(swapped).score[0]) == (b"me", 0.5)


def test_labels_are_numbers_names_of_a_file_or_names_in_sorted_order(tmp_path):
    path = write(tmp_path, "a,0,0,0,1,1,2", "a,0,0,0,1,1,0", "a,0,0,0,1,1,")
    assert (read_box_list(path).label.tolist(), read_box_list(path).classes) == ([2, 0, -1], None)
    assert read_box_list(path).num_classes == 3
    (tmp_path / "classes.txt").write_text("walk\nrun\nsit\n")
    assert read_box_list(path).classes == ("walk", "run", "sit")
    assert read_box_list(write(tmp_path, GOOD)).label.tolist() == [1]
    assert read_box_list(write(tmp_path, GOOD), classes=["run"]).label.tolist() == [0]


def test_utf8_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\nfilm \u00e9t\u00e9.mp4,1,0,0,1,1,courir\r\n".encode())
    assert read_box_list(path).names() == ["film \u00e9t\u00e9.mp4"]
    assert read_box_list(path).classes == ("courir",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.mp4,1,0,0,1,1", "6 columns instead of the 7 of video,second,x1,y1,x2,y2,label"),
        ("a.mp4,1,0,0,1,1,run,0.5", "8 columns instead of the 7"),
        ('"a.mp4",1,0,0,1', "5 columns instead of the 7"),
        (",1,0,0,1,1,run", "the name of the video is empty"),
        ("a.mp4,soon,0,0,1,1,run", "the second is 'soon', not a number"),
        ("a.mp4,-1,0,0,1,1,run", "second -1 is not in 0 to the end of the video"),
        ("a.mp4,1,0,zero,1,1,run", "y1 is 'zero', not a number"),
        ("a.mp4,1,0,0,nan,1,run", "x2 is 'nan', not a number"),
        ("a.mp4,1,10,20,110,220,run", "box 10,20,110,220 is not in fractions of the frame: divide by its width and"),
        ("a.mp4,1,0.5,0,0.5,1,run", "box 0.5,0,0.5,1 has no area: x1 < x2 and y1 < y2 must hold"),
        ("a.mp4,1,0,0.9,1,0.1,run", "has no area"),
        ("a.mp4,1,0,0,1,1,runn", "label 'runn' is not one of the 2 classes; did you mean run?"),
        ("a.mp4,1,0,0,1,1,2", "label 2 is out of range: 2 classes are 0 to 1"),
    ],
)
def test_each_broken_row_has_its_message(tmp_path, row, message):
    path = write(tmp_path, GOOD, row, GOOD.replace("1.5", "2.5"))
    with pytest.raises(AnnotationError) as error:
        read_box_list(path, classes=["run", "walk"])
    assert str(error.value).startswith(f"{path}:3: ")
    assert message in str(error.value)
    problems = []
    assert len(read_box_list(path, classes=["run", "walk"], problems=problems)) == 2
    assert problems == error.value.problems


def test_a_score_must_be_a_number(tmp_path):
    path = write(tmp_path, GOOD + ",high", header=HEADER + ",score")
    with pytest.raises(AnnotationError, match=":2: score is 'high', not a number"):
        read_box_list(path)


def test_all_broken_rows_are_in_one_error_and_a_wrong_file_ends_early(tmp_path):
    with pytest.raises(AnnotationError, match=r"boxes.csv:2: .* \(and 2 more such rows\)"):
        read_box_list(write(tmp_path, *["a,1,1"] * 3))
    with pytest.raises(AnnotationError) as error:
        read_box_list(write(tmp_path, *["a,1,1"] * 5000))
    assert len(error.value.problems) == 100


def test_a_file_without_its_header_or_that_is_not_there(tmp_path):
    path = tmp_path / "boxes.csv"
    for first in (GOOD, HEADER + ",colour", HEADER + ",score,score", HEADER.replace("t_sec", "sec")):
        path.write_text(first + "\n")
        with pytest.raises(
            ValueError, match=r"boxes.csv:1: the header must be video,t_sec,x1,y1,x2,y2,label\[,score\]"
        ):
            read_box_list(path)
    with pytest.raises(ValueError, match="nowhere.csv: cannot be read: No such file"):
        read_box_list(tmp_path / "nowhere.csv")


def test_boxes_a_little_outside_are_cut_at_the_edge(tmp_path):
    boxes = read_box_list(write(tmp_path, "a,1,-0.01,0,1.002,1,run"))
    assert boxes.box.tolist() == [[0, 0, 1, 1]]


def test_what_is_written_reads_the_same(tmp_path):
    path = write(
        tmp_path,
        '"b, the second.mp4",0.1,0,0,1,0.123456789,"jump, high",0.1234567,2',
        "a.mp4,1234.567891,0.1,0.2,0.3,0.4,run,1,",
        "a.mp4,1234.567891,0.1,0.2,0.3,0.4,,1,",
        header=HEADER + ",score,person",
    )
    boxes = read_box_list(path)
    write_box_list(tmp_path / "again.csv", boxes)
    again = read_box_list(tmp_path / "again.csv")
    assert rows_of(again) == rows_of(boxes)
    assert (again.classes, again.person.tolist()) == (boxes.classes, boxes.person.tolist())
    write_box_list(tmp_path / "later.csv", boxes, start=-10)
    assert read_box_list(tmp_path / "later.csv").time.tolist() == pytest.approx([10.1, 1244.567891])


def test_merging_joins_equal_boxes_of_a_moment(tmp_path):
    first = read_box_list(write(tmp_path, "a,1,0,0,1,1,0", "a,1,0,0,.5,1,1", "b,1,0,0,1,1,0"))
    second = read_box_list(write(tmp_path, "b,1.0,0,0,1,1.0,1", "c,2,0,0,1,1,1", "a,1,0,0,0.5,1,"))
    both = merge([first, second])
    assert len(both) == 4
    assert sorted(rows_of(both)) == sorted(rows_of(first) + rows_of(second))
    assert [both.names()[v] for v in both.video] == ["a", "a", "b", "c"]
    named = read_box_list(write(tmp_path, "a,1,0,0,1,1,run"))
    with pytest.raises(ValueError, match="different classes"):
        merge([first, named])


def test_keyframe_ids_agree_between_lists(tmp_path):
    first = read_box_list(write(tmp_path, "a,1,0,0,1,1,0", "b,1,0,0,1,1,0", "a,0.3333333,0,0,1,1,0"))
    second = read_box_list(write(tmp_path, "b,01.00,0,0,1,.5,0", "a,0.333,0,0,1,1,0"))
    assert second.frame.tolist() == first.frame[1:].tolist()
    assert len(set(first.frame.tolist())) == 3
    assert first.frame[0] == keyframe_id("a", 1) == keyframe_id(b"a", 1.0)
    assert all(0 <= key < 2**63 for key in first.frame.tolist())


def test_dropping_counts_labels_by_rule(tmp_path):
    boxes = read_box_list(write(tmp_path, "a,1,0,0,1,1,0", "a,1,0,0,1,1,1", "b,1,0,0,1,1,0", "c,1,0,0,1,1,2"))
    left = boxes.select(np.array([False, True, True]), "late").select(np.array([True, False]), "late")
    assert (rows_of(left), left.dropped) == ([("b", 1, 0, 0, 1, 1, 0, 1)], {"late": 3})
    assert rows_of(boxes.take(np.array([2, 0])))[0] == ("c", 1, 0, 0, 1, 1, 2, 1)


def test_a_large_file_is_packed(tmp_path):
    heads = [f"video{k // 20},{k % 20},0.1,0.2,0.{k % 8 + 1}5,0.9" for k in range(5000)]
    path = write(tmp_path, *(f"{head},{c},0.{c:05d}" for head in heads for c in range(1, 41)), header=HEADER + ",score")
    boxes = read_box_list(path)
    assert (len(boxes), len(boxes.label)) == (len(set(heads)), 200_000)


def test_a_file_that_never_repeats_a_box_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("videonet.data.box_rows.KNOWN", 10)
    path = write(tmp_path, *(f"a,{k % 25},0,0,1,1,{k // 25}" for k in range(75)))
    boxes = read_rows(path, ("label",), int, skip=1)
    assert len(boxes) == 75
    assert len(merge([boxes])) == 25
    assert sorted(rows_of(boxes)) == sorted(rows_of(merge([boxes])))


@pytest.fixture
def films(tmp_path):
    for name in ("a.mp4", "deep/b.webm", "deep/notes.txt"):
        (tmp_path / "films" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "films" / name).touch()
    return tmp_path / "films"


def test_quotes_do_not_matter_to_rows_that_need_none(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for k in range(300):
        x, flat = rng.integers(0, 5) / 10, k % 17 == 0
        rows.append(f"v{k % 3},{902 + k % 11},{x},0,{x if flat else 0.9},0.8,{k % 5 or ''},{rng.random():.3f},p{k}")
    plain, quoted = tmp_path / "plain.csv", tmp_path / "quoted.csv"
    plain.write_text("\n".join(rows))
    quoted.write_text("\n".join(f'"{row.replace(",", chr(34) + ",", 1)}' for row in rows))
    settings = {"minimum": 0.3, "every": 2, "drop_flat": True}
    a, b = (read_rows(path, ("label", "score", "person"), int, **settings) for path in (plain, quoted))
    assert (rows_of(a), a.person.tolist(), a.dropped) == (rows_of(b), b.person.tolist(), b.dropped)
    assert a.names() == b.names()
    assert a.dropped == {"score": sum(float(row.split(",")[7]) < 0.3 for row in rows), "no area": a.dropped["no area"]}
    assert len(a.label) + sum(a.dropped.values()) < len(rows)


def test_keyframes_of_videos(tmp_path, films):
    path = write(
        tmp_path,
        "deep/b.webm,2,0,0,1,1,run,0.5,x",
        "a,3,0,0,1,1,,1,y",
        "a,1,0,0,1,0.5,walk,1,z",
        "a,3,0,0,1,0.25,walk,1,",
        "a,3,0,0,1,0.25,run,1,",
        header=HEADER + ",score,person",
    )
    items = keyframes([read_box_list(path)], videos=films, start=0.5)
    assert [(k.video, k.time, k.seconds, len(k.boxes)) for k in items] == [
        ("deep/b.webm", 2, 1.5, 1),
        ("a", 1, 0.5, 1),
        ("a", 3, 2.5, 2),
    ]
    assert [k.path for k in items] == [str(films / "deep/b.webm"), str(films / "a.mp4"), str(films / "a.mp4")]
    last = items[-1]
    assert (last.frame, last.id, last.persons) == (-1, keyframe_id("a", 3), ("y", ""))
    assert last.boxes.tolist() == [[0, 0, 1, 1], [0, 0, 1, 0.25]]
    assert last.labels.tolist() == [[0, 0], [1, 1]]
    assert (last.boxes.dtype, last.labels.dtype, items[0].scores.tolist()) == (np.float32, np.float32, [0.5])
    assert items.summary() == {"videos": 2, "keyframes": 3, "boxes": 4, "labels": 4, "classes": 2}
    with pytest.raises(IndexError, match="row 3 of 3"):
        items[3]


def test_keyframes_name_what_is_missing_and_count_what_is_dropped(tmp_path, films):
    boxes = read_box_list(write(tmp_path, "a,3,0,0,1,1,0", "x,1,0,0,1,1,0", "y,1,0,0,1,1,0", "b,9,0,0,1,1,1"))
    with pytest.raises(ValueError, match=f"2 of 4 videos are not in {films}: x, y"):
        keyframes([boxes], videos=films)
    items = keyframes([boxes], videos=films, may_miss=0.5, duration=lambda path: 5.0)
    assert [(k.video, k.path) for k in items][1:] == [("x", str(films / "x")), ("y", str(films / "y"))]
    assert items.summary() | {"keyframes": 3, "dropped: beyond the end": 1} == items.summary()
    there = read_box_list(write(tmp_path, "a,3,0,0,1,1,0", "b,9,0,0,1,1,1"))
    with pytest.raises(ValueError, match="no box is left; dropped: {'beyond the end': 2}"):
        keyframes([there], videos=films, duration=lambda path: 1.0)
    with pytest.raises(ValueError, match="label 1 is out of range: there are 1 classes"):
        keyframes([boxes], videos=films, num_classes=1)
    with pytest.raises(ValueError, match="second 1 is before the files begin, at second 900"):
        keyframes([boxes], videos=films, start=900)
    with pytest.raises(ValueError, match="either the folder of the videos or frame lists"):
        keyframes([boxes])
    with pytest.raises(ValueError, match="nowhere: no such folder of videos"):
        keyframes([boxes], videos=tmp_path / "nowhere")


def test_the_digest_speaks_of_the_content(tmp_path, films):
    first = keyframes([read_box_list(write(tmp_path, "a,3,0,0,1,1,0", "b,1,0,0,1,1,1"))], videos=films)
    same = keyframes([read_box_list(write(tmp_path, "a,3.0,0,0,1.00,1,0", "b,1,0,0,1,1,1"))], videos=films)
    other = keyframes([read_box_list(write(tmp_path, "a,3,0,0,1,1,0", "b,1,0,0,1,1,0"))], videos=films)
    assert first.digest() == same.digest() != other.digest()
