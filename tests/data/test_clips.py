"""Datasets of clips: the right frames and pixels, the same for the same key, one decode a video, honest accounts."""

from functools import partial

import numpy as np
import pytest
import torch

from tests.data.painted import PaintedVideo, painted_records, painted_set
from videonet.data import sampling, transforms
from videonet.data.clips import ClipShape, Draw, TrainClips, ValClips, ViewClips, view_batches, view_clips

SHAPE = ClipShape(frames=4, rate=2, size=16)
CROP = partial(transforms.random_crop, scales=(16, 24))


def train(records, **kwargs) -> TrainClips:
    return TrainClips(records, SHAPE, crop=CROP, open_video=PaintedVideo, **kwargs)


def same(first: dict, second: dict) -> bool:
    return torch.equal(first["clip"], second["clip"]) and first["flip"] == second["flip"]


def test_training_item():
    item = train(painted_set())[7]
    assert item["clip"].shape == (4, 16, 16, 3)
    assert item["clip"].dtype == torch.uint8
    assert (item["label"], item["index"], item["skipped"]) == (1, 7, [])
    numbers = item["clip"][:, 0, 0, 0].tolist()
    assert [b - a for a, b in zip(numbers, numbers[1:])] in ([2, 2, 3], [2, 3, 2], [3, 2, 2])


def test_items_depend_on_key_and_seed_only():
    data, again, other = train(painted_set()), train(painted_set()), train(painted_set(), seed=1)
    keys = [Draw(epoch, index) for epoch in range(3) for index in range(6)]
    first = {key: data[key] for key in keys}
    assert all(same(first[key], again[key]) for key in reversed(keys))
    assert not any(same(first[key], other[key]) for key in keys)
    assert not any(same(first[Draw(0, i)], first[Draw(1, i)]) for i in range(6))
    assert same(data[3], first[Draw(0, 3)])
    assert 0 < sum(item["flip"] for item in first.values()) < len(keys)
    assert not any(train(painted_set(), flip=0)[key]["flip"] for key in keys)


def test_the_step_can_change_the_shape():
    clip = train(painted_set())[Draw(0, 3, ClipShape(6, 1, 12))]["clip"]
    assert clip.shape == (6, 12, 12, 3)


def test_repeats_share_one_decode_and_show_what_single_clips_show():
    records = painted_records("a-60-48x64")
    PaintedVideo.opened, PaintedVideo.reads = [], []
    items = train(records, repeats=3)[0]
    assert len(items) == 3
    assert len(PaintedVideo.opened) == len(PaintedVideo.reads) == 1
    assert PaintedVideo.reads[0] <= 12
    assert len({item["clip"][0, 0, 0].numpy().tobytes() for item in items}) > 1
    rng = np.random.default_rng([0, 0, 0, 0])
    for item in items:
        indices, window = sampling.random_clip(rng, 60, 30, 4, 2), CROP(rng, 48, 64, 16)
        expect = PaintedVideo("a-60-48x64").read(indices, window)
        assert torch.equal(item["clip"], expect)


def test_augmentation_gets_the_generator():
    def darken(frames, rng):
        return (frames * rng.uniform(0, 0.5)).to(torch.uint8)

    plain, dark = train(painted_set())[2], train(painted_set(), augment=darken)[2]
    assert dark["clip"].sum() < plain["clip"].sum()
    assert same(dark, train(painted_set(), augment=darken)[2])


def test_a_bad_video_is_replaced_and_reported():
    data = train(painted_set(20, {4: "missing"}))
    item, again = data[4], data[4]
    assert item["index"] != 4
    assert item["label"] == item["index"] % 3
    assert [(bad.index, bad.reason) for bad in item["skipped"]] == [(4, "missing")]
    assert same(item, again)
    assert item["index"] == again["index"]
    assert data[Draw(1, 4)]["index"] != item["index"]


def test_only_bad_videos_is_one_clear_error():
    with pytest.raises(ValueError, match=r"train\.csv: 10 videos in a row could not be read.*: empty") as error:
        train(painted_set(3, dict.fromkeys(range(3), "empty")))[0]
    assert "\n" not in str(error.value)


def test_short_videos_under_the_policy():
    records = painted_records("short-3-24x32", "long-40-24x32")
    strict = train(records, sample=partial(sampling.random_clip, short="error"))
    assert (strict[0]["index"], strict[0]["skipped"][0].reason) == (1, "too short")
    assert train(records)[0]["clip"][:, 0, 0, 0].tolist() == [0, 2, 2, 2]
    val = ValClips(records, SHAPE, sample=partial(sampling.clip_views, short="error"), open_video=PaintedVideo)
    assert val[0]["missing"].reason == "too short"


def test_validation_takes_the_centre():
    data = ValClips(painted_records("a-60-48x64"), SHAPE, scale=24, open_video=PaintedVideo)
    item = data[0]
    assert item["clip"][:, 0, 0, 0].tolist() == sampling.centre_clip(60, 30, 4, 2).tolist()
    middle = item["clip"][0, 7:9, 7:9].float().mean((0, 1))
    assert middle[1:].tolist() == pytest.approx([23.5, 31.5], abs=1)
    assert (item["flip"], item["label"], item["damaged"]) == (False, 0, None)
    assert torch.equal(data[Draw(5, 0)]["clip"], item["clip"])


@pytest.mark.parametrize("kind", [ValClips, ViewClips])
def test_nothing_is_replaced_in_evaluation(kind):
    data = kind(painted_set(6, {2: "no video stream", 3: "damaged"}), SHAPE, open_video=PaintedVideo)
    assert data[2] == {"missing": (2, "videos/no video stream 2-22-26x34", "no video stream")}
    assert data[3]["damaged"].reason == "2 frames repeated, the file is damaged"


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("size", ["48x64", "64x48", "30x30"])
def test_views_are_the_published_clips_and_crops_from_one_decode(crops, size):
    records = painted_records(f"a-90-{size}")
    PaintedVideo.opened, PaintedVideo.reads = [], []
    sample = partial(sampling.clip_views, views=5)
    item = ViewClips(records, SHAPE, sample=sample, crops=crops, scale=20, open_video=PaintedVideo)[0]
    indices = sample(90, 30, 4, 2)
    assert len(PaintedVideo.opened) == 1
    assert PaintedVideo.reads == [len(np.unique(indices))]
    views = torch.cat(list(view_clips(item, chunk=4)))
    assert views.shape == (5 * crops, 4, 16, 16, 3)
    height, width = map(int, size.split("x"))
    window = transforms.whole(height, width, 20)
    frames = PaintedVideo(f"a-90-{size}").read(indices.reshape(-1), window).unflatten(0, indices.shape)
    for number, (y, x) in enumerate(transforms.crop_offsets(window.out_h, window.out_w, 16, crops)):
        assert torch.equal(views[number::crops], frames[:, :, y : y + 16, x : x + 16])


def test_chunks_fill_up_across_videos():
    records = painted_records("a-90-24x32", "b-70-40x30", "c-10-16x16")
    data = ViewClips(records, SHAPE, sample=partial(sampling.clip_views, views=2), open_video=PaintedVideo)
    items = [data[i] for i in range(3)]
    batches = list(view_batches(items, chunk=4))
    assert [len(batch["clip"]) for batch in batches] == [4, 4, 4, 4, 2]
    pairs = [pair for batch in batches for pair in zip(batch["index"].tolist(), batch["view"].tolist())]
    assert pairs == [(index, view) for index in range(3) for view in range(6)]
    joined = torch.cat([batch["clip"] for batch in batches])
    assert torch.equal(joined, torch.cat([clip for item in items for clip in view_clips(item, 100)]))


def test_wrong_settings_are_refused():
    records = painted_set(2)
    with pytest.raises(ValueError, match="repeats"):
        train(records, repeats=0)
    with pytest.raises(ValueError, match="does not fit"):
        ViewClips(records, SHAPE, scale=8)
    with pytest.raises(ValueError, match="does not fit"):
        ValClips(records, SHAPE, scale=8)
    with pytest.raises(ValueError, match="1, 3, 5 or 10, got 2"):
        ViewClips(records, SHAPE, crops=2)
