"""Clips around keyframes: the right moment, boxes that stay on what they are on, every box once."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.data.painted import PaintedVideo
from videonet.data import transforms
from videonet.data.box_list import read_box_list
from videonet.data.clips import ClipShape, Draw
from videonet.data.keyframe_clips import KeyframeClips, TrainKeyframes, keyframe_clip
from videonet.data.keyframes import keyframes
from videonet.data.loader import EvalLoader, TrainLoader
from videonet.data.video import VideoError

SHAPE = ClipShape(frames=4, rate=2, size=40)
CROP = partial(transforms.random_crop, scales=(40, 40))
ROWS = """video,t_sec,x1,y1,x2,y2,label
a-90-48x64,1.0,0.10,0.20,0.40,0.80,0
a-90-48x64,1.0,0.10,0.20,0.40,0.80,2
a-90-48x64,1.0,0.60,0.30,0.90,0.95,1
a-90-48x64,2.0,0.05,0.05,0.30,0.50,
b-60-64x48,1.0,0.30,0.30,0.70,0.70,1
missing-60-64x48,1.0,0.30,0.30,0.70,0.70,1
c-60-64x48,0.5,0.30,0.10,0.70,0.40,2
"""


class Film(PaintedVideo):
    """A painted video of a file, with times."""

    def __init__(self, path: object) -> None:
        super().__init__(str(getattr(path, "path", path)).removesuffix(".mp4"))

    @property
    def times(self) -> np.ndarray:
        return 7 + np.arange(self.num_frames) / self.fps


@pytest.fixture
def items(tmp_path):
    """Five keyframes of four videos of two sizes, six boxes in all."""
    for name in {row.split(",")[0] for row in ROWS.splitlines()[1:]}:
        (tmp_path / f"{name}.mp4").touch()
    (tmp_path / "boxes.csv").write_text(ROWS)
    return keyframes([read_box_list(tmp_path / "boxes.csv")], videos=tmp_path)


def train(items, **settings) -> TrainKeyframes:
    return TrainKeyframes(items, SHAPE, crop=CROP, open_video=Film, **settings)


def under(clip: torch.Tensor, box: torch.Tensor) -> tuple[float, float]:
    """Row and column of the source that the middle of a box shows."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    pixel = clip[0, min(int(y), clip.shape[1] - 1), min(int(x), clip.shape[2] - 1)]
    return float(pixel[1]), float(pixel[2])


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_boxes_stay_on_what_they_are_on(items, flip):
    seen = 0
    for epoch in range(12):
        item = train(items, flip=flip)[Draw(epoch, 0)]
        clip = item["clip"].flip(-2) if item["flip"] else item["clip"]  # as `prepare` mirrors it
        assert item["flip"] == bool(flip) and clip.shape == (4, 40, 40, 3)
        for box, number in zip(item["boxes"], item["box_index"].tolist()):
            x1, y1, x2, y2 = items[0].boxes[number]
            inside = box.min() > 0.5 and box.max() < 39.5
            if inside:  # a box that the crop cuts has another middle
                row, column = under(clip, box)
                assert row == pytest.approx(48 * (y1 + y2) / 2, abs=2) and column == pytest.approx(
                    64 * (x1 + x2) / 2, abs=2
                )
                seen += 1
            assert box.min() >= 0 and box.max() <= 40 and (box[2:] > box[:2]).all()
    assert seen > 5


def test_labels_and_numbers_belong_to_the_boxes(items):
    item = KeyframeClips(items, SHAPE, open_video=Film)[0]
    assert item["box_index"].tolist() == [0, 1] and item["box_label"].tolist() == [[1, 0, 1], [0, 1, 0]]
    assert item["boxes"][0].tolist() == pytest.approx([0.1 * 53, 0.2 * 40, 0.4 * 53, 0.8 * 40], abs=0.3)
    other = KeyframeClips(items, SHAPE, open_video=Film)[1]
    assert other["box_index"].tolist() == [2] and other["box_label"].tolist() == [[0, 0, 0]], "a box without a label"


def test_a_crop_may_miss_all_boxes(items):
    data = train(items, flip=0.0)
    data.crop = lambda rng, height, width, size: transforms.Window(0, width - 8, 8, 8, size, size)
    item = data[Draw(0, 0)]
    assert item["boxes"].shape == (0, 4) and item["box_label"].shape == (0, 3) and item["box_index"].shape == (0,)
    batch = next(TrainLoader(data, 2).batches())
    assert batch["boxes"].shape[1] == 5 and len(batch["box_label"]) == len(batch["boxes"])


def test_repeats_are_crops_of_one_decode(items):
    PaintedVideo.opened = []
    several = train(items, repeats=3)[0]
    assert len(several) == 3 and len(PaintedVideo.opened) == 1
    assert len({item["clip"].numpy().tobytes() for item in several}) > 1


@pytest.mark.parametrize(("fps", "target", "expect"), [(30, 30, [26, 28, 30, 32]), (60, 30, [22, 26, 30, 34])])
def test_clips_lie_around_their_moment_at_any_rate(fps, target, expect):
    video = SimpleNamespace(fps=fps, num_frames=90, times=3 + np.arange(90) / fps)
    moment = SimpleNamespace(frame=-1, seconds=30 / fps, path="x")
    assert keyframe_clip(moment, video, SHAPE, target).tolist() == expect
    assert keyframe_clip(moment, video, SHAPE, 0).tolist() == [26, 28, 30, 32]
    assert keyframe_clip(SimpleNamespace(frame=1), video, SHAPE, 0).tolist() == [0, 0, 1, 3]


def test_uneven_frame_times_decide_which_frame_is_the_moment():
    video = SimpleNamespace(fps=30, num_frames=6, times=np.array([0, 0.1, 0.2, 1.0, 1.1, 2.0]))
    moment = SimpleNamespace(frame=-1, seconds=1.04, path="x")
    assert keyframe_clip(moment, video, ClipShape(1, 1, 8)).tolist() == [3]
    with pytest.raises(VideoError, match="beyond the end") as error:
        keyframe_clip(SimpleNamespace(frame=-1, seconds=2.1, path="x"), video, SHAPE)
    assert error.value.reason == "beyond the end"


def test_bad_videos_are_replaced_in_training_and_missing_in_a_test(items):
    row = next(i for i, keyframe in enumerate(items) if keyframe.video.startswith("missing"))
    item = train(items)[row]
    assert item["index"] != row and [bad.reason for bad in item["skipped"]] == ["missing"]
    data = KeyframeClips(items, SHAPE, open_video=Film)
    loader = EvalLoader(data, 2)
    boxes = [n for batch in data.batches(loader.batches(), 4, "cpu") for n in batch["box_index"].tolist()]
    lost = [n for bad in loader.missing for n in data.items_of(bad.index)]
    assert len(lost) == 1 and sorted(boxes + lost) == list(range(data.items)) == list(range(6))


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_every_box_once_at_any_batch_and_number_of_processes(items, chunk, world_size):
    data, found = KeyframeClips(items, SHAPE, open_video=Film), []
    for rank in range(world_size):
        loader = EvalLoader(data, 3, rank=rank, world_size=world_size)
        for batch in data.batches(loader.batches(), chunk, "cpu"):
            assert len(batch["clip"]) <= chunk and batch["boxes"][:, 0].max() < len(batch["clip"])
            for number, (owner, *box) in zip(batch["box_index"].tolist(), batch["boxes"].tolist()):
                keyframe = batch["index"][int(owner)]
                assert number in data.items_of(int(keyframe))
                found.append((number, tuple(round(side, 3) for side in box)))
    alone = [KeyframeClips(items, SHAPE, open_video=Film)[i] for i in range(len(items))]
    expect = [
        (n, tuple(round(side, 3) for side in box))
        for item in alone
        if "boxes" in item
        for n, box in zip(item["box_index"].tolist(), item["boxes"].tolist())
    ]
    assert sorted(found) == sorted(expect) and len(found) == 5


def test_frames_of_unequal_size_are_never_in_one_batch(items):
    data = KeyframeClips(items, SHAPE, open_video=Film)
    batches = list(data.batches(EvalLoader(data, 5).batches(), 5, "cpu"))
    assert [tuple(batch["clip"].shape[2:4]) for batch in batches] == [(40, 53), (53, 40)]


def test_a_test_may_mirror_everything(items):
    plain, turned = (KeyframeClips(items, SHAPE, open_video=Film, flip=flip)[0] for flip in (False, True))
    assert turned["flip"] is True and torch.equal(plain["clip"], turned["clip"])
    torch.testing.assert_close(turned["boxes"], transforms.flip_boxes(plain["boxes"], 53))
