"""Frame lists: what is read and packed, labels over frames, and the message of each kind of broken row."""

import pickle

import numpy as np
import pytest

from videonet.data.annotation import AnnotationError
from videonet.data.frame_list import COLUMNS, read_frame_list


def write(folder, *rows, header=COLUMNS):
    path = folder / "frames.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_videos_are_the_rows_of_one_name(tmp_path):
    path = write(
        tmp_path,
        'B 0 0 B/1.jpg "3,1"',
        'B 0 1 B/2.jpg "1"',
        'A 1 0 A/1.jpg ""',
        'B 0 2 B/3.jpg ""',
        "",
        'B 0 3 B/4.jpg "3"',
        'A 1 1 A/2.jpg "2"',
    )
    lists = read_frame_list(path, root="/data", num_classes=5)
    assert [(v.path, v.line) for v in lists.videos] == [("B", 2), ("A", 4)]
    assert [lists.num_frames(0), lists.num_frames(1)] == [4, 2]
    assert lists.paths(0) == [f"/data/B/{k}.jpg" for k in (1, 2, 3, 4)]
    assert lists.paths(1, np.array([1, 1, 0])) == ["/data/A/2.jpg", "/data/A/2.jpg", "/data/A/1.jpg"]
    assert lists.rows == {"B": 0, "A": 1}
    assert lists.videos.labels.tolist() == [[0, 1, 0, 1, 0], [0, 0, 1, 0, 0]]
    frames = [np.flatnonzero(row).tolist() for row in lists.segments.at(0, range(4))]
    assert frames == [[1, 3], [1], [], [3]]


def test_labels_are_ignored_unless_asked_for_and_the_header_may_be_missing(tmp_path):
    path = write(tmp_path, 'A 0 1 a/2.jpg "x"', header='A 0 0 a/1.jpg ""')
    lists = read_frame_list(path)
    assert lists.paths(0) == ["a/1.jpg", "a/2.jpg"]
    assert (lists.segments, lists.videos[0].label) == (None, -1)


def test_labels_over_frames_equal_the_union_of_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    sets = [sorted(rng.choice(6, rng.integers(0, 4), replace=False).tolist()) for _ in range(60)]
    rows = [
        f'{v} 0 {i} {v}/{i}.jpg "{",".join(map(str, sets[30 * k + i]))}"' for k, v in enumerate("AB") for i in range(30)
    ]
    lists = read_frame_list(write(tmp_path, *rows), num_classes=6)
    for video in range(2):
        mine = sets[30 * video : 30 * video + 30]
        for first, last in [(0, 29), (3, 3), (10, 17), (28, 40)]:
            expected = sorted(set().union(*mine[first : last + 1]))
            assert np.flatnonzero(lists.segments.between(video, first, last)).tolist() == expected
        assert lists.segments.between(video).tolist() == lists.videos[video].label.tolist()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("A 0 1 a/2.jpg", f"4 columns instead of the 5 of `{COLUMNS}`"),
        (
            'A 0 1 a b/2.jpg ""',
            "6 columns instead of the 5 of `original_vido_id video_id frame_id path labels`, or is there",
        ),
        ('A,0,1,a/2.jpg,""', "the columns are separated by spaces, not by commas"),
        ('A 0 1 a/2.jpg "1,x"', 'labels are whole numbers in quotes, as "3,17" or "", not "1,x"'),
        ('A 0 1 a/2.jpg "-1"', "labels are whole numbers"),
        ('A 0 1 a/2.jpg "1,5"', "label 5 is out of range: 5 classes are 0 to 4"),
    ],
)
def test_each_broken_row_has_its_message(tmp_path, row, message):
    path = write(tmp_path, 'A 0 0 a/1.jpg "1"', row, 'A 0 2 a/3.jpg "1"')
    with pytest.raises(AnnotationError) as error:
        read_frame_list(path, num_classes=5)
    assert str(error.value).startswith(f"{path}:3: ")
    assert message in str(error.value)
    problems = []
    lists = read_frame_list(path, num_classes=5, problems=problems)
    assert (lists.paths(0), problems) == (["a/1.jpg", "a/3.jpg"], [str(error.value)])


def test_files_without_frames(tmp_path):
    with pytest.raises(ValueError, match=r"frames.csv: no frames; expected the header `original_vido_id"):
        read_frame_list(write(tmp_path))
    with pytest.raises(ValueError, match="none.csv: cannot be read"):
        read_frame_list(tmp_path / "none.csv")


def test_missing_frames_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").touch()
    path = write(tmp_path, 'A 0 0 a/1.jpg ""', 'A 0 1 a/2.jpg ""', 'B 0 0 b/1.jpg ""')
    missing = read_frame_list(path, root=tmp_path).missing()
    assert missing == [str(tmp_path / "a" / "2.jpg"), str(tmp_path / "b" / "1.jpg")]


def test_other_labels_for_some_of_the_videos(tmp_path):
    lists = read_frame_list(write(tmp_path, *(f'{v} 0 0 {v}/1.jpg ""' for v in "ABCC")), root="r")
    some = lists.select(["C", "A"], [1, 0], ["push", "pull"])
    assert [(v.path, v.label) for v in some.videos] == [("C", 1), ("A", 0)]
    assert (some.paths(0), some.paths(1), some.num_frames(0)) == (["r/C/1.jpg"] * 2, ["r/A/1.jpg"], 2)


def test_a_long_list_is_small(tmp_path):
    rows = [f'V{v:03d} {v} {i} V{v:03d}/V{v:03d}-{i:06d}.jpg "{v}"' for v in range(50) for i in range(1000)]
    path = write(tmp_path, *rows)
    lists = read_frame_list(path, num_classes=50)
    assert len(pickle.dumps(lists)) < path.stat().st_size / 8
