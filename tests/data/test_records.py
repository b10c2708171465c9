"""Records: what goes in comes out, in little memory, in any process."""

import pickle

import numpy as np
import pytest
import torch

from videonet.data.records import Records

PATHS = ["a.mp4", "with space, comma.mp4", "", "ünïcode/é.webm", "/abs/x.mp4"]


def make(**kwargs) -> Records:
    return Records.pack(PATHS, [0, 3, 1, 2, 2], [1, 2, 4, 5, 6], **kwargs)


def test_what_goes_in_comes_out():
    records = make(root="/data", source="train.csv", classes=["a", "b", "c", "d"])
    assert [records.path(i) for i in range(5)] == PATHS
    assert [r.path for r in records][:2] == ["/data/a.mp4", "/data/with space, comma.mp4"]
    assert records[-1].path == "/abs/x.mp4"
    assert [(r.label, r.line) for r in records] == [(0, 1), (3, 2), (1, 4), (2, 5), (2, 6)]
    assert (len(records), records.num_classes, records.source) == (5, 4, "train.csv")
    with pytest.raises(IndexError, match="row 5 of 5"):
        records[5]
    with pytest.raises(ValueError, match="5 paths but 1 labels"):
        Records.pack(PATHS, [1])


def test_names_that_are_not_text_survive():
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    assert Records.pack([name], [0])[0].path == name


def test_many_labels_a_row():
    labels = np.eye(5, 7, dtype=np.float32)
    records = Records.pack(PATHS, labels)
    assert records.num_classes == 7
    assert np.array_equal(records[3].label, labels[3])


def test_select_keeps_lines_and_names():
    part = make(root="r", classes=list("abcd")).select([3, 1])
    assert [(r.path, r.label, r.line) for r in part] == [("r/ünïcode/é.webm", 2, 5), ("r/with space, comma.mp4", 3, 2)]
    assert part.classes == ("a", "b", "c", "d")


def test_digest_is_of_the_list_and_not_of_the_place():
    digest = make().digest()
    assert len(digest) == 64
    assert make(root="/elsewhere", source="b.csv").digest() == digest
    assert make().select([1, 0, 2, 3, 4]).digest() != digest
    assert Records.pack(PATHS, [0, 3, 1, 2, 1]).digest() != digest
    assert Records.pack(["ab", "c"], [0, 0]).digest() != Records.pack(["a", "bc"], [0, 0]).digest()


def test_a_million_rows_are_packed():
    rows = 100_000
    records = Records.pack([f"videos/class {i % 400}/{i:011d}.mp4" for i in range(rows)], np.arange(rows) % 400)
    size = sum(t.numel() * t.element_size() for t in (records.paths, records.ends, records.labels, records.lines))
    assert size < 56 * rows
    assert len(pickle.dumps(records)) < 60 * rows
    assert records[rows - 1].path.endswith("/00000099999.mp4")


def _check(records: Records, queue) -> None:
    queue.put((records[1].path, records.labels.is_shared(), records.paths.is_shared(), sum(r.label for r in records)))


def test_spawned_workers_share_one_copy():
    records = make(root="r")
    context = torch.multiprocessing.get_context("spawn")
    queue = context.Queue()
    worker = context.Process(target=_check, args=(records, queue))
    worker.start()
    assert queue.get(timeout=60) == ("r/with space, comma.mp4", True, True, 8)
    worker.join(timeout=60)
    assert worker.exitcode == 0
    assert records.paths.is_shared()
