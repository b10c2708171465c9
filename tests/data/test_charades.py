"""Charades: frame lists and the official annotations say the same, and each broken row has its message."""

import numpy as np
import pytest

from videonet.data import charades
from videonet.data.annotation import AnnotationError

HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length"
GOOD = '46GP8,HR43,Kitchen,6,7,Yes,"He said ""no"", twice.",food;pan,text,c092 11.90 21.20;c147 0.00 12.60,24.83'
PLAIN = "N11GT,0KZ7,Living room,4,5,No,A person sits.,chair,text,,18.33"


def write(folder, *rows, header=HEADER):
    path = folder / "Charades_v1_train.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def videos(tmp_path):
    for name in ("46GP8.mp4", "N11GT.mp4", "other.mp4"):
        (tmp_path / "Charades_v1_480" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "Charades_v1_480" / name).touch()
    return tmp_path / "Charades_v1_480"


def classes_of(row):
    return np.flatnonzero(row).tolist()


def test_official_annotations(tmp_path, videos):
    data = charades.read_charades_videos(write(tmp_path, GOOD, PLAIN), videos)
    assert [(v.path, v.line, classes_of(v.label)) for v in data.videos] == [
        (str(videos / "46GP8.mp4"), 2, [92, 147]),
        (str(videos / "N11GT.mp4"), 3, []),
    ]
    assert (len(data), data.seconds.tolist(), data.videos.num_classes) == (2, [24.83, 18.33], 157)
    assert classes_of(data.segments.between(0, 0, 11.89)) == [147]
    assert classes_of(data.segments.between(0, 11.0, 12.0)) == [92, 147]
    assert classes_of(data.segments.between(0, 12.61, 30)) == [92]
    assert classes_of(data.segments.between(0, 21.21, 24)) == []
    assert [classes_of(row) for row in data.segments.at(0, [0, 11.9, 12.6, 13, 22])] == [
        [147],
        [92, 147],
        [92, 147],
        [92],
        [],
    ]


def test_a_frame_list_of_the_same_video_has_the_same_labels(tmp_path, videos):
    data = charades.read_charades_videos(write(tmp_path, GOOD), videos)
    times = np.arange(int(24.83 * 24)) / 24
    labels = [",".join(map(str, classes_of(row))) for row in data.segments.at(0, times)]
    rows = [f'46GP8 0 {i} 46GP8/46GP8-{i + 1:06d}.jpg "{text}"' for i, text in enumerate(labels)]
    path = tmp_path / "train.csv"
    path.write_text("\n".join(["original_vido_id video_id frame_id path labels", *rows]))
    frames = charades.read_charades_frames(path, root=tmp_path)
    assert frames.videos[0].label.tolist() == data.videos[0].label.tolist()
    for first, last in [(0, 63), (200, 300), (260, 323), (500, 560), (0, 594)]:
        by_frames = frames.segments.between(0, first, last)
        assert classes_of(by_frames) == classes_of(data.segments.between(0, times[first], times[last]))


@pytest.mark.parametrize(
    ("actions", "length", "message"),
    [
        ("c092 11.90", "24.8", "an action is `c092 11.90 21.20` (class, start, end), not 'c092 11.90'"),
        ("092 11.90 21.20", "24.8", "not '092 11.90 21.20'"),
        ("c092 11.90 21.20;", "24.8", "not ''"),
        ("c157 11.90 21.20", "24.8", "action c157 is out of range: 157 classes are 0 to 156"),
        ("c092 11.90 21.20", "long", "length is 'long', not a number of seconds"),
        ("c092 11.90 21.20", "", "length is '', not a number of seconds"),
    ],
)
def test_each_broken_row_has_its_message(tmp_path, videos, actions, length, message):
    broken = PLAIN.replace("text,,18.33", f"text,{actions},{length}")
    path = write(tmp_path, GOOD, broken)
    with pytest.raises(AnnotationError) as error:
        charades.read_charades_videos(path, videos)
    assert str(error.value).startswith(f"{path}:3: ")
    assert message in str(error.value)
    problems = []
    assert len(charades.read_charades_videos(path, videos, problems=problems)) == 1
    assert problems == [str(error.value)]


def test_a_video_listed_twice_and_files_of_another_kind(tmp_path, videos):
    with pytest.raises(AnnotationError, match=r":4: video 46GP8 is already on line 2"):
        charades.read_charades_videos(write(tmp_path, GOOD, PLAIN, GOOD), videos)
    with pytest.raises(ValueError, match=r":1: no column actions, length; expected Charades_v1_train.csv"):
        charades.read_charades_videos(write(tmp_path, header="id,subject"), videos)
    with pytest.raises(ValueError, match="no videos; expected the columns id, actions and length"):
        charades.read_charades_videos(write(tmp_path), videos)


def test_missing_videos_are_named(tmp_path, videos):
    path = write(tmp_path, GOOD, PLAIN, PLAIN.replace("N11GT", "GONE1"))
    for share in (0.0, 0.3):
        with pytest.raises(
            ValueError, match=f"1 of 3 videos are not in {videos}: GONE1; DATA.MAX_BAD {share:g} lets 0"
        ):
            charades.read_charades_videos(path, videos, may_miss=share)
    found = charades.read_charades_videos(path, videos, may_miss=0.34)
    assert len(found) == 3 and found.videos[2].path == str(videos / "GONE1.mp4")
    with pytest.raises(ValueError, match="nowhere: no such folder of videos"):
        charades.read_charades_videos(path, tmp_path / "nowhere")
    path = write(tmp_path, PLAIN.replace("N11GT", "GONE1"))
    with pytest.raises(ValueError, match="1 of 1 videos are not"):
        charades.read_charades_videos(path, videos, may_miss=1.0)


def test_labels_of_frame_lists_are_checked(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text('original_vido_id video_id frame_id path labels\nA 0 0 a.jpg "156"\nA 0 1 b.jpg "157"\n')
    with pytest.raises(AnnotationError, match=":3: label 157 is out of range: 157 classes are 0 to 156"):
        charades.read_charades_frames(path)


def test_class_names(tmp_path):
    path = tmp_path / "Charades_v1_classes.txt"
    path.write_text("c000 Holding some clothes\nc001 Putting clothes somewhere\n")
    assert charades.read_charades_classes(path) == ("Holding some clothes", "Putting clothes somewhere")
    path.write_text("c000 Holding some clothes\nc002 Taking some clothes\n")
    with pytest.raises(AnnotationError, match=":2: expected `c001 name`, not 'c002 Taking some clothes'"):
        charades.read_charades_classes(path)
