"""AVA: the official files as PySlowFast reads them, and the message of each kind of broken row."""

import json

import numpy as np
import pytest

from videonet.data import ava
from videonet.data.annotation import AnnotationError
from videonet.data.boxes import keyframe_id
from videonet.data.frame_list import read_frame_list

TRUTH = """\
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,9,1
-5KQ66BBWC4,0903,0.226,0.032,0.366,0.497,12,0
-5KQ66BBWC4,0904,0.332,0.194,0.481,0.891,12,0
zzz,1798,0.5,0.5,1.000,0.9,1,3
"""
PREDICTED = """\
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,,0.995518
-5KQ66BBWC4,0902,0.001,0.002,0.283,0.811,,0.9
-5KQ66BBWC4,0903,0.226,0.032,0.366,0.497,,0.899
-5KQ66BBWC4,0904,0.000,0.100,0.200,0.300,,0.95
-5KQ66BBWC4,0908,0.300,0.100,0.200,0.300,,0.95
"""
LABEL_MAP = """\
item {
  name: "bend/bow (at the waist)"
  id: 1
}
label {
  name: "stand"
  label_id: 12
  label_type: PERSON_MOVEMENT
}
"""


@pytest.fixture
def files(tmp_path):
    for name, text in {"gt": TRUTH, "pred": PREDICTED, "map": LABEL_MAP, "excluded": "zzz,1798\nzzz,0999\n"}.items():
        (tmp_path / name).write_text(text)
    frames = ["original_vido_id video_id frame_id path labels"]
    frames += [f'-5KQ66BBWC4 0 {i} -5KQ66BBWC4/-5KQ66BBWC4_{i + 1:06d}.jpg ""' for i in range(130)]
    frames += [f'zzz 1 {i} zzz/zzz_{i + 1:06d}.jpg ""' for i in range(26941)]
    (tmp_path / "train.csv").write_text("\n".join(frames) + "\n")
    return tmp_path


def test_annotated_boxes_have_the_class_column_of_each_action(files):
    boxes = ava.read_annotated_boxes(files / "gt")
    assert boxes.names() == ["-5KQ66BBWC4", "zzz"]
    assert boxes.box[boxes.row].tolist()[0] == boxes.box[boxes.row].tolist()[1] == [0.077, 0.151, 0.283, 0.811]
    assert boxes.label.tolist() == [79, 8, 11, 11, 0]
    assert boxes.time.tolist() == [902, 903, 904, 1798]
    assert boxes.person.tolist() == [b"1", b"0", b"0", b"3"]
    (files / "short").write_text("\n".join(row.rpartition(",")[0] for row in TRUTH.split()))
    assert ava.read_annotated_boxes(files / "short").label.tolist() == [79, 8, 11, 11, 0]
    assert ava.read_annotated_boxes(files / "gt", every=4).time.tolist() == [904]


def test_predicted_boxes_are_kept_from_the_threshold_on(files):
    boxes = ava.read_predicted_boxes(files / "pred")
    assert boxes.time[boxes.row].tolist() == [902, 902, 904]
    assert boxes.score.tolist() == pytest.approx([0.995518, 0.9, 0.95])
    assert boxes.label.tolist() == [-1, -1, -1]
    assert boxes.dropped == {"score": 1, "no area": 1}
    assert len(ava.read_predicted_boxes(files / "pred", minimum=0.0)) == 4
    assert ava.read_predicted_boxes(files / "pred", minimum=0.95).dropped == {"score": 2, "no area": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("v,0902,0,0,1,1,1,2,3", "9 columns instead of the 8 of video,second,x1,y1,x2,y2,label,person"),
        ("v,0902,0,0,1,1,1", "7 columns instead of the 8"),
        ("v,0901,0,0,1,1,1,0", "second 901 is not in 902 to 1798"),
        ("v,1799,0,0,1,1,1,0", "second 1799 is not in 902 to 1798"),
        ("v,0902,0,0,1,1,0,0", "action id 0 is not in 1 to 80"),
        ("v,0902,0,0,1,1,81,0", "action id 81 is not in 1 to 80"),
        ("v,0902,0,0,1,1,stand,0", "the action id is 'stand', not a whole number"),
        ("v,0902,0,0,320,240,1,0", "box 0,0,320,240 is not in fractions of the frame"),
        ("v,0902,0,?,1,1,1,0", "y1 is '?', not a number"),
    ],
)
def test_each_broken_annotation_has_its_message(files, row, message):
    (files / "gt").write_text(TRUTH + row + "\n")
    with pytest.raises(AnnotationError) as error:
        ava.read_annotated_boxes(files / "gt")
    assert str(error.value).startswith(f"{files / 'gt'}:6: ")
    assert message in str(error.value)
    problems = []
    assert len(ava.read_annotated_boxes(files / "gt", problems=problems)) == 4
    assert problems == [str(error.value)]


def test_a_predicted_box_without_a_score_is_broken(files):
    (files / "pred").write_text(PREDICTED + "v,0902,0,0,1,1,0.99\n" + "v,0902,0,0,1,1,,high\n")
    problems = []
    assert len(ava.read_predicted_boxes(files / "pred", problems=problems)) == 3
    assert problems == [
        f"{files / 'pred'}:6: 7 columns instead of the 8 of video,second,x1,y1,x2,y2,label,score",
        f"{files / 'pred'}:7: score is 'high', not a number",
    ]


def test_label_maps_of_both_forms(files):
    assert ava.read_label_map(files / "map") == {1: "bend/bow (at the waist)", 12: "stand"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  id: 1\n", ":1: class 1 has no `name:` line before its id"),
        ('  name: "a"\n  id: one\n', ":2: the id of a class is a whole number from 1, not 'one'"),
        ('  name: "a"\n  label_id: 0\n', ":2: the label_id of a class is a whole number from 1, not '0'"),
        ('  name: "a"\n  id: 1\n  name: "b"\n  id: 1\n', ":4: class 1 is already named 'a'"),
        ("stand\nwalk\n", "no classes; expected a label map"),
    ],
)
def test_broken_label_maps(files, text, message):
    (files / "map").write_text(text)
    with pytest.raises(ValueError, match=message):
        ava.read_label_map(files / "map")


def test_exclusions(files):
    assert ava.read_exclusions(files / "excluded").tolist() == [keyframe_id("zzz", 1798), keyframe_id("zzz", 999)]
    (files / "excluded").write_text("zzz,1798\n\nzzz\nzzz,9x\n")
    with pytest.raises(AnnotationError, match=r":3: expected `video,second`, not 'zzz' \(and 1 more such rows\)"):
        ava.read_exclusions(files / "excluded")


def test_training_joins_predicted_boxes_to_the_annotated_ones(files):
    frames = read_frame_list(files / "train.csv", root="/frames")
    items = ava.ava_keyframes(
        annotated=[files / "gt"], predicted=[files / "pred"], label_map=files / "map", frames=frames
    )
    assert [(k.video, k.time, k.frame) for k in items] == [
        ("-5KQ66BBWC4", 902, 60),
        ("-5KQ66BBWC4", 903, 90),
        ("-5KQ66BBWC4", 904, 120),
        ("zzz", 1798, 26940),
    ]
    first = items[0]
    assert first.boxes.tolist() == np.float32([[0.077, 0.151, 0.283, 0.811], [0.001, 0.002, 0.283, 0.811]]).tolist()
    assert [np.flatnonzero(row).tolist() for row in first.labels] == [[8, 79], []]
    assert (first.labels.shape, first.seconds, first.path) == ((2, 80), 2, "-5KQ66BBWC4")
    assert (first.row, [k.first for k in items]) == (0, [0, 2, 3, 5])
    assert items.files(0, [0, 60]) == [f"/frames/-5KQ66BBWC4/-5KQ66BBWC4_{n:06d}.jpg" for n in (1, 61)]
    assert (items.num_frames(0), items.num_frames(3)) == (130, 26941)
    assert items.boxes.classes[:2] == ("bend/bow (at the waist)", "action 2")
    assert [len(k.boxes) for k in items] == [2, 1, 2, 1]


def test_a_test_has_predicted_boxes_only_and_leaves_exclusions_out(files):
    frames = read_frame_list(files / "train.csv")
    items = ava.ava_keyframes(predicted=[files / "pred"], frames=frames)
    assert [(k.time, len(k.boxes), k.labels.any()) for k in items] == [(902, 2, False), (904, 1, False)]
    items = ava.ava_keyframes(annotated=[files / "gt"], excluded=files / "excluded", frames=frames)
    assert [k.time for k in items] == [902, 903, 904]
    assert items.summary()["dropped: excluded"] == 1


def test_films_and_clips_cut_from_second_900(files):
    for name in ("-5KQ66BBWC4.mkv", "zzz.mp4"):
        (files / name).touch()
    items = ava.ava_keyframes(annotated=[files / "gt"], videos=files)
    assert (items[0].seconds, items[0].path) == (2, str(files / "-5KQ66BBWC4.mkv"))
    assert ava.ava_keyframes(annotated=[files / "gt"], videos=files, start=0)[0].seconds == 902


def test_mistakes_that_concern_whole_videos_are_named(files):
    frames = read_frame_list(files / "train.csv")
    with pytest.raises(ValueError, match="no box file is given"):
        ava.ava_keyframes(frames=frames)
    (files / "gt").write_text(TRUTH + "yyy,0902,0,0,1,1,1,0\n" + "-5KQ66BBWC4,1000,0,0,1,1,1,0\n")
    with pytest.raises(ValueError, match=rf"gt: 1 of [23] videos are not in {files / 'train.csv'}: yyy"):
        ava.ava_keyframes(annotated=[files / "gt"], frames=frames)
    (files / "gt").write_text(TRUTH + "-5KQ66BBWC4,1000,0,0,1,1,1,0\n")
    assert ava.ava_keyframes(annotated=[files / "gt"], frames=frames).summary()["dropped: beyond the end"] == 1


def test_evaluation_reads_any_second_and_any_box(files):
    (files / "any").write_text("v,0,-1,0,2,9,7,0\nv,1\nv,5000,0,0,0,0,99,1\n")
    boxes = ava.read_truth(files / "any")
    assert (boxes.label.tolist(), boxes.empty.tolist()) == ([7, 99], [keyframe_id("v", 1)])
    (files / "any").write_text("v,0902,-1,0,2,9,7,0.123456\nv,902,-1,0,2,9,8,1e-3\n")
    boxes = ava.read_detections(files / "any")
    assert boxes.score.tolist() == pytest.approx([0.123456, 0.001])
    assert len(set(boxes.frame.tolist())) == 1
    assert json.dumps(boxes.dropped) == "{}"


def test_every_fourth_second(files):
    items = ava.ava_keyframes(annotated=[files / "gt"], frames=read_frame_list(files / "train.csv")).every(4)
    assert [(k.time, k.frame, k.first, len(k.boxes)) for k in items] == [(904, 120, 0, 1)]
    assert items.summary()["dropped: not every 4 s"] == 4 and len(items.every(7)) == 1
