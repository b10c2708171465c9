"""Splits of every dataset from small made files: what they hold, how clips are labelled, what their mistakes say."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from tests import made_sets
from videonet.data import box_splits, clip_splits, transforms
from videonet.data.clips import ClipShape, Draw
from videonet.data.demo import write_video
from videonet.data.split import Reading

SHAPE = ClipShape(frames=4, rate=2, size=16)
CROP = partial(transforms.random_crop, scales=(16, 20))
CHARADES = "id,actions,length\nv1,c001 0.00 0.50;c002 1.00 1.40,1.60\nv2,,1.60\n"


def motion(path, frames: int = 16, fps: int = 10) -> None:
    write_video(path, made_sets.draw_motion(np.random.default_rng(0), 1, frames, 16), fps)


# Charades


@pytest.fixture(scope="module")
def frame_lists(tmp_path_factory):
    """Charades' frame lists: 40 frames a video, one label on the first 20 and another on the rest."""
    root = tmp_path_factory.mktemp("charades")
    made_sets.write_charades(root, {"train": 6, "val": 3}, size=16)
    return root


def test_charades_frames(frame_lists):
    reading = Reading(prefix=str(frame_lists / "frames"))
    train, val, test = (clip_splits.charades(frame_lists, split, reading) for split in ("train", "val", "test"))
    assert (len(train), train.num_classes, train.classes, train.task) == (6, 4, tuple(made_sets.MOTIONS), "multi_label")
    assert val.digest() == test.digest() and "val.csv: videos=3 classes=4" in val.describe(4)
    item = val.val(SHAPE)[0]
    assert item["clip"].shape == (4, 16, 16, 3) and item["label"].sum() == 2, "a video has the labels of all its frames"


def test_a_training_clip_of_charades_has_the_labels_between_its_ends(frame_lists):
    split = clip_splits.charades(frame_lists, "train", Reading(prefix=str(frame_lists / "frames")))
    lists = split.open_video.lists
    found = set()
    for epoch in range(30):
        data = split.train(SHAPE, crop=CROP, seed=epoch)
        rng = np.random.default_rng([epoch, 0, 2, 0])
        indices = split.rules.train(rng, 40, 30.0, SHAPE.frames, SHAPE.rate)
        assert np.diff(indices).tolist() == [2, 2, 2], "strides are exact whatever the rate"
        first, last = lists.segments.at(2, [indices[0], indices[-1]])
        label = data[Draw(0, 2)]["label"]
        assert np.array_equal(label, np.maximum(first, last))
        found.add(int(label.sum()))
    assert found == {1, 2}


def test_charades_videos_with_seconds(tmp_path):
    (tmp_path / "Charades_v1_train.csv").write_text(CHARADES)
    (tmp_path / "Charades_v1_test.csv").write_text(CHARADES)
    for name in ("v1", "v2"):
        motion(tmp_path / f"{name}.mp4")
    split = clip_splits.charades(tmp_path, "train", Reading(num_classes=3))
    labels = {tuple(split.train(SHAPE, crop=CROP, seed=seed)[0]["label"].tolist()) for seed in range(25)}
    assert labels <= {(0, 1, 0), (0, 0, 1), (0, 1, 1)} and len(labels) > 1
    test = clip_splits.charades(tmp_path, "test", Reading(num_classes=3), localise=True)
    data = test.test(SHAPE, clips=8, crops=1)
    (batch,) = data.batches([{"items": [data[0]]}], 99, "cpu")
    assert batch["label"].tolist() == [[0, 1, 0]] * 3 + [[0, 0, 0]] * 2 + [[0, 0, 1]] * 3, "every 0.2 s"
    assert batch["index"].tolist() == list(range(8)) and data.name(11).endswith("v2.mp4#3")
    with pytest.raises(ValueError, match=r"expected the frame list train.csv or the official Charades_v1_train.csv"):
        clip_splits.charades(tmp_path / "nowhere", "train")


# Something-Something V2


def test_ssv2_videos(tmp_path):
    made_sets.write_ssv2(tmp_path, {"train": 8, "validation": 4}, size=16)
    train, test = (clip_splits.ssv2(tmp_path, split) for split in ("train", "test"))
    assert (len(train), len(test), train.num_classes, train.task) == (8, 4, 4, "classification")
    assert train.classes[0] == "Moving something left" and train.mirrored.tolist() == [1, 0, 2, 3]
    data = train.train(SHAPE, crop=CROP, flip=0.5)
    items = [data[Draw(epoch, 0)] for epoch in range(12)]
    assert {(item["flip"], item["label"]) for item in items} == {(False, 0), (True, 1)}, "left, or right when mirrored"
    views = test.test(SHAPE, clips=3, crops=1)
    clips = [views[0]["frames"][positions] for positions in views[0]["positions"]]
    assert views.views == 3 and not torch.equal(clips[0], clips[1]) and not torch.equal(clips[1], clips[2])


def test_ssv2_frames_and_the_newer_names_of_the_files(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "labels.json").write_text(json.dumps({"Holding something": "0", "Dropping something": "1"}))
    for part in ("train", "validation"):
        (tmp_path / "labels" / f"{part}.json").write_text(json.dumps([{"id": "7", "template": "Dropping [something]"}]))
    Image.new("RGB", (20, 16), "red").save(tmp_path / "0.png")
    rows = [f'7 0 {number} 0.png ""' for number in range(9)]
    for part in ("train", "val"):
        (tmp_path / f"{part}.csv").write_text("\n".join([made_sets.COLUMNS, *rows]))
    split = clip_splits.ssv2(tmp_path, "val")
    item = split.val(SHAPE)[0]
    assert item["label"] == 1 and item["clip"].shape == (4, 16, 16, 3) and item["clip"][..., 0].min() == 255
    with pytest.raises(ValueError, match="2 classes, expected 174"):
        clip_splits.ssv2(tmp_path, "val", Reading(num_classes=174))


# AVA


@pytest.fixture(scope="module")
def ava_files(tmp_path_factory):
    root = tmp_path_factory.mktemp("ava")
    made_sets.write_ava(root, {"train": 6, "val": 3})
    return root


def ava(root, split: str, **settings):
    return box_splits.ava(root, split, Reading(num_classes=5), detection_score_thresh=0.8, **settings)


def test_ava_trains_on_annotated_and_tests_on_predicted_boxes(ava_files):
    train, test = ava(ava_files, "train"), ava(ava_files, "test")
    assert (len(train), len(test), train.task, train.num_classes) == (6, 3, "action_detection", 5)
    assert train.classes == tuple(made_sets.ACTIONS) and "videos=2 keyframes=6" in train.describe(5)
    item = train.train(SHAPE, crop=partial(transforms.random_crop, scales=(16, 16)), flip=0.0)[0]
    assert item["box_label"].sum(1).min() >= 1 and item["clip"].shape == (4, 16, 16, 3)
    assert not test.labelled and len(test.annotations.truth) == len(test.records.boxes)
    assert test.annotations.classes == dict(enumerate(made_sets.ACTIONS, 1)) and test.annotations.first == 1
    assert len(ava(ava_files, "test", test_predict_box_lists=[]).records.boxes) == len(test.annotations.truth)
    assert ava(ava_files, "test", test_predict_box_lists=[]).labelled


def test_ava_keyframes_show_their_own_second(ava_files):
    split = ava(ava_files, "val", val_every=1)
    item = split.val(ClipShape(1, 1, 64))[2]
    frame = np.array(Image.open(ava_files / "frames" / "val0000" / "val0000_000121.jpg"))  # second 904, counted from 1
    assert np.array_equal(item["clip"][0].numpy(), frame)


def test_a_validation_of_ava_looks_at_every_fourth_second_of_boxes_and_truth(ava_files):
    split = ava(ava_files, "val")
    data = split.val(SHAPE)
    assert [data.records[i].time for i in range(len(data))] == [904.0]
    assert set(data.annotations.truth.time.tolist()) == {904.0} and len(split.test(SHAPE).records) == 3


def test_excluded_keyframes_are_neither_scored_nor_counted(ava_files, tmp_path):
    notes = ava_files / "annotations"
    (notes / "out.csv").write_text("val0000,0903\n")
    split = ava(ava_files, "test", exclusion_file="out.csv")
    assert [split.records[i].time for i in range(len(split))] == [902.0, 904.0] and len(split.annotations.excluded) == 1


def test_ava_of_films_and_of_cut_films(ava_files, tmp_path):
    (tmp_path / "annotations").symlink_to(ava_files / "annotations")
    with pytest.raises(ValueError, match=r"neither the frame list .*/train.csv nor a folder of videos, .*15min"):
        ava(tmp_path, "train")
    for folder in ("videos", "videos_15min", "other"):
        (tmp_path / folder).mkdir()
        for name in ("train0000", "train0001"):
            (tmp_path / folder / f"{name}.mp4").touch()
    assert ava(tmp_path, "train").records[0].seconds == 2, "cut from second 900"
    reading = Reading(prefix=str(tmp_path / "other"), num_classes=5)
    assert box_splits.ava(tmp_path, "train", reading, video_start=0.0).records[0].seconds == 902
    for path in sorted((tmp_path / "videos_15min").iterdir()):
        path.unlink()
    (tmp_path / "videos_15min").rmdir()
    assert ava(tmp_path, "train").records[0].seconds == 902, "whole films"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("ava_train_v2.2.csv", "train0000,0902,0.1,0.1,0.5,0.5,6,0\n", "action id 6 is not in 1 to 5"),
        ("ava_train_v2.2.csv", "train0000,0902,10,10,50,50,1,0\n", "not in fractions of the frame"),
        ("ava_train_v2.2.csv", "film,0902,0.1,0.1,0.5,0.5,1,0\n", "1 videos are not in .*train.csv: film"),
        ("ava_action_list_v2.2_for_activitynet_2019.pbtxt", "nothing\n", "no classes; expected a label map"),
    ],
)
def test_broken_files_of_ava_are_named(ava_files, tmp_path, file, text, message):
    for folder in ("frames", "frame_lists"):
        (tmp_path / folder).symlink_to(ava_files / folder)
    (tmp_path / "annotations").mkdir()
    for path in (ava_files / "annotations").iterdir():
        (tmp_path / "annotations" / path.name).write_text(text if path.name == file else path.read_text())
    with pytest.raises(ValueError, match=message) as error:
        ava(tmp_path, "train")
    assert file in str(error.value) or "train.csv" in str(error.value)


# Plain box lists


@pytest.fixture(scope="module")
def box_files(tmp_path_factory):
    root = tmp_path_factory.mktemp("boxes")
    made_sets.write_boxes(root, {"train": 3, "val": 2}, fps=15)
    return root


def test_plain_boxes_of_videos(box_files):
    train, val = (box_splits.boxes(box_files, split) for split in ("train", "val"))
    assert (len(train), len(val), train.num_classes) == (3, 2, 5) and val.labelled
    assert val.annotations.classes == dict(enumerate(made_sets.ACTIONS)) and val.annotations.first == 0
    item = val.val(ClipShape(4, 1, 64))[0]
    with val.open_video(val.records[0]) as video:
        assert torch.equal(item["clip"][2], video.read([12])[0]), "the middle frame, at 0.8 s of 15 a second"


def test_plain_boxes_of_a_detector(box_files, tmp_path):
    for path in box_files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    rows = ["video,t_sec,x1,y1,x2,y2,label,score"]
    rows += ["val0000,0.8,0.1,0.1,0.4,0.9,,0.95", "val0001,0.8,0.1,0.1,0.4,0.9,,0.5"]
    (tmp_path / "val_people.csv").write_text("\n".join(rows))
    split = box_splits.boxes(tmp_path, "val", predicted="{split}_people.csv")
    assert len(split.records.boxes) == 1 and not split.labelled and split.classes == tuple(made_sets.ACTIONS)
    assert "dropped: score=1" in split.describe(5)
    assert len(box_splits.boxes(tmp_path, "val", predicted="{split}_people.csv", detection_score_thresh=0.4)) == 2


def test_names_without_a_file_of_them_are_those_of_the_training_list(tmp_path):
    header = "video,t_sec,x1,y1,x2,y2,label\n"
    (tmp_path / "train.csv").write_text(header + "a,1,0,0,1,1,walk\na,1,0,0,1,1,run\n")
    (tmp_path / "val.csv").write_text(header + "a,1,0,0,1,1,walk\n")
    (tmp_path / "a.mp4").touch()
    train, val = (box_splits.boxes(tmp_path, split) for split in ("train", "val"))
    assert train.classes == val.classes == ("run", "walk") and val.records[0].labels.tolist() == [[0, 1]]
    (tmp_path / "val.csv").write_text(header + "a,1,0,0,1,1,wlak\n")
    with pytest.raises(ValueError, match=r"val.csv:2: label 'wlak' is not one of the 2 classes; did you mean walk"):
        box_splits.boxes(tmp_path, "val")


# Images


def test_images_with_one_and_ten_crops(tmp_path):
    for split in ("train", "val"):
        for name, colour in (("a", "red"), ("b", "blue")):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (24, 20), colour).save(tmp_path / split / name / "0.png")
    train, val = (clip_splits.imagenet(tmp_path, split, pad=2) for split in ("train", "val"))
    item = train.train(ClipShape(8, 8, 16), crop=CROP)[0]
    assert item["clip"].shape == (16, 16, 3) and train.open_video(train.records[0]).height == 24
    assert val.open_video(val.records[0]).height == 20, "only training images are padded"
    assert val.val(ClipShape(8, 8, 16), scale=18)[1]["clip"].shape == (16, 16, 3)
    ten = val.test(ClipShape(8, 8, 16), clips=1, crops=10)
    (batch,) = ten.batches([{"items": [ten[1]]}], 99, "cpu")
    assert ten.views == 10 and batch["clip"].shape == (10, 16, 16, 3) and set(batch["label"].tolist()) == {1}
    with pytest.raises(ValueError, match="an image has 1 clip, not 10: set TEST.NUM_ENSEMBLE_VIEWS 1"):
        val.test(ClipShape(8, 8, 16), clips=10, crops=1)


def test_any_rule_of_sampling_fits_any_list_of_videos(tmp_path):
    motion(tmp_path / "a.mp4")
    (tmp_path / "val.csv").write_text("a.mp4 0\na.mp4 1\n")
    spans = {}
    for kind in ("clip", "strided", "segments"):
        split = clip_splits.kinetics(tmp_path, "val", sampling=kind)
        spans[kind] = split.rules.val(16, 10.0, 4, 2)[0].tolist()
    assert spans == {"clip": [6, 7, 7, 8], "strided": [4, 6, 8, 10], "segments": [2, 6, 9, 13]}, spans
    with pytest.raises(ValueError, match="sampled as clip, strided, segments, not 'strides'"):
        clip_splits.kinetics(tmp_path, "val", sampling="strides")
