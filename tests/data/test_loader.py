"""Loaders: equal batches at any number of workers, from any step, in any process; bad files counted; hangs blamed."""

import io
import sys
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from tests.data.painted import PaintedVideo, painted_records, painted_set
from videonet.data import sampling, transforms
from videonet.data.clips import ClipShape, TrainClips, ValClips, ViewClips
from videonet.data.loader import EvalLoader, TooManyBad, TrainLoader, Workers, collate
from videonet.data.watch import StuckWorker

SHAPE = ClipShape(frames=4, rate=2, size=16)
CROP = partial(transforms.random_crop, scales=(16, 24))


def train_loader(records=None, batch_size=4, workers=0, repeats=1, **kwargs) -> TrainLoader:
    data = TrainClips(records or painted_set(), SHAPE, crop=CROP, repeats=repeats, open_video=PaintedVideo)
    return TrainLoader(data, batch_size, workers=workers, **kwargs)


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_training_batch():
    batch = next(train_loader().batches())
    assert {key: (tuple(value.shape), value.dtype) for key, value in batch.items()} == {
        "clip": ((4, 4, 16, 16, 3), torch.uint8),
        "flip": ((4,), torch.bool),
        "label": ((4,), torch.int64),
        "index": ((4,), torch.int64),
    }
    assert (batch["label"] == batch["index"] % 3).all()


@pytest.mark.parametrize(("start", "count"), [("fork", 2), ("forkserver", 1), ("spawn", 1)])
def test_workers_change_nothing(start, count):
    alone = list(train_loader().batches(3, 9))
    state = torch.get_rng_state()
    loader = train_loader(workers=Workers(count, start=start))
    batches = list(loader.batches(3, 9))
    assert len(batches) == 6
    assert all(same(*pair) for pair in zip(alone, batches))
    assert all(same(*pair) for pair in zip(alone[2:], loader.batches(5, 9)))
    assert torch.equal(state, torch.get_rng_state())


def test_resume_in_mid_epoch_equals_the_uninterrupted_run():
    loader = train_loader()
    assert loader.steps_per_epoch == 5
    whole = list(loader.batches(0, 12))
    PaintedVideo.opened = []
    resumed = list(train_loader().batches(7, 12))
    assert len(PaintedVideo.opened) == 5 * 4
    assert all(same(*pair) for pair in zip(whole[7:], resumed))


def test_leaving_in_mid_epoch_and_coming_back():
    loader = train_loader(workers=1)
    for step, _ in enumerate(loader.batches()):
        if step == 2:
            break
    again = next(loader.batches(3))
    assert same(again, next(train_loader().batches(3)))


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_share_the_global_batch(world_size):
    alone = next(train_loader().batches(2))
    parts = [next(train_loader(rank=rank, world_size=world_size).batches(2)) for rank in range(world_size)]
    joined = {key: torch.cat([part[key] for part in parts]) for key in alone}
    assert same(alone, joined)


def test_shapes_and_sizes_may_change_with_the_step():
    loader = train_loader(
        batch_size=lambda step: 8 if step % 2 == 0 else 4,
        shape=lambda step: ClipShape(2, 2, 12) if step % 2 == 0 else SHAPE,
    )
    shapes = [tuple(batch["clip"].shape) for batch in loader.batches(0, 3)]
    assert shapes == [(8, 2, 12, 12, 3), (4, 4, 16, 16, 3), (8, 2, 12, 12, 3)]


def test_repeated_augmentation_gives_that_many_clips():
    batch = next(train_loader(repeats=3).batches())
    assert batch["clip"].shape[0] == 12
    assert batch["index"].view(4, 3).unique(dim=1).shape == (4, 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_are_replaced_and_listed_once(workers):
    bad = {4: "missing", 11: "empty", 12: "no video stream"}
    loader = train_loader(painted_set(20, bad), workers=workers)
    batches = list(loader.batches(0, 10))
    assert all(len(batch["clip"]) == 4 for batch in batches)
    assert not {4, 11, 12} & {int(i) for batch in batches for i in batch["index"]}
    assert sorted(reason for _, reason in loader.skipped) == ["empty", "missing", "no video stream"]


def test_too_many_bad_files_stop_the_run_with_their_causes():
    records = painted_set(20, dict.fromkeys(range(7), "missing"))
    with pytest.raises(TooManyBad, match=r"more than DATA\.MAX_BAD 0\.01 allows.*: missing") as error:
        list(train_loader(records).batches(0, 5))
    assert str(error.value).count(": missing") == 5
    assert "\n" not in str(error.value)
    assert len(list(train_loader(records, max_bad=0.9).batches(0, 5))) == 5
    with pytest.raises(TooManyBad, match="1 of"):
        list(train_loader(painted_set(20, {3: "empty"}), max_bad=0).batches(0, 5))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_mistake_of_the_user_stays_one_line(workers):
    with pytest.raises(ValueError) as error:
        list(train_loader(painted_set(20, {5: "mistake"}), workers=workers).batches(0, 5))
    assert str(error.value) == "videos/mistake 5-25-24x34: a mistake of the user"
    assert "painted.py" in error.value.__notes__[0]


def test_a_stuck_worker_is_named_with_its_file(capfd):
    loader = train_loader(painted_records(*["hang-20-24x32"] * 4), workers=Workers(1, timeout=2))
    with pytest.raises(
        StuckWorker, match=r"no batch for 2 s: worker 0 \(process \d+\) .* row \d, videos/hang-20-24x32"
    ):
        next(loader.batches())
    assert "painted.py" in capfd.readouterr().err


@dataclass
class Dying:
    records: object

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key) -> dict:
        import os

        os._exit(9)


def test_workers_start_where_messages_go_to_no_file(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # as in a notebook
    loader = train_loader(workers=Workers(1, start="fork"))
    assert len(next(loader.batches())["index"]) == 4


def test_a_dead_worker_is_named_with_its_file():
    loader = TrainLoader(Dying(painted_set(4)), 2, workers=1)
    with pytest.raises(StuckWorker, match=r"worker died.*row \d, videos/clip \d"):
        next(loader.batches())


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_shows_every_row_once(world_size, workers):
    data = ValClips(painted_set(20, {4: "missing", 9: "damaged"}), SHAPE, open_video=PaintedVideo)
    shown, missing, damaged = [], [], []
    for rank in range(world_size):
        loader = EvalLoader(data, 3, rank=rank, world_size=world_size, workers=workers)
        for _ in range(2):
            rows = [int(i) for batch in loader.batches() for i in batch["index"]]
        shown += rows
        missing += loader.missing
        damaged += loader.damaged
    assert sorted(shown) == [i for i in range(20) if i != 4]
    assert [(bad.index, bad.reason) for bad in missing] == [(4, "missing")]
    assert [bad.index for bad in damaged] == [9]


def test_the_end_of_a_loader_waits_for_nobody():
    loader = train_loader(workers=1)
    batches = loader.batches()
    next(batches)
    start = time.monotonic()
    del batches, loader
    assert time.monotonic() - start < 4


def test_a_batch_that_lost_all_its_rows_is_left_out():
    data = ValClips(painted_set(4, {0: "empty", 1: "empty"}), SHAPE, open_video=PaintedVideo)
    loader = EvalLoader(data, 2)
    assert [batch["index"].tolist() for batch in loader.batches()] == [[2, 3]]
    assert len(loader.missing) == 2
    assert len(loader) == 2


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_view_once_at_any_number_of_processes(world_size):
    sample = partial(sampling.clip_views, views=2)
    data = ViewClips(painted_set(7), SHAPE, sample=sample, open_video=PaintedVideo)
    rows = []
    for rank in range(world_size):
        for batch in EvalLoader(data, 2, rank=rank, world_size=world_size, workers=1).batches():
            for item in batch["items"]:
                assert (len(item["positions"]), len(item["offsets"])) == (2, 3)
                rows.append(item["index"])
    assert sorted(rows) == list(range(7))


def test_boxes_are_joined_with_the_index_of_their_clip():
    items = [
        {"clip": torch.zeros(2, 4, 4, 3), "boxes": torch.full((n, 4), n), "box_label": torch.eye(3)[:n]}
        for n in (2, 0, 1)
    ]
    batch = collate(items)
    assert batch["boxes"].tolist() == [[0, 2, 2, 2, 2], [0, 2, 2, 2, 2], [2, 1, 1, 1, 1]]
    assert batch["box_label"].shape == (3, 3)
    assert batch["clip"].shape == (3, 2, 4, 4, 3)


def test_labels_of_many_classes():
    batch = collate([{"label": np.array([0, 1, 1], dtype=np.float32)}, {"label": np.zeros(3, dtype=np.float32)}])
    assert batch["label"].dtype == torch.float32
    assert batch["label"].shape == (2, 3)


def test_a_worker_stacks_where_the_main_process_can_read(monkeypatch):
    items = [{"clip": torch.full((2, 4, 4, 3), value, dtype=torch.uint8), "flip": True} for value in (1, 2)]
    alone = collate(items)
    monkeypatch.setattr("torch.utils.data.get_worker_info", lambda: "a worker")
    shared = collate(items)
    assert shared["clip"].is_shared() and not alone["clip"].is_shared()
    assert all(torch.equal(shared[key], alone[key]) for key in ("clip", "flip"))
