"""Order: a batch is a function of (seed, step), processes side by side make the global batch, nothing twice or lost."""

import numpy as np
import pytest

from videonet.data.order import Order, shard


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_an_epoch_shows_every_row_once(world_size):
    orders = [Order(37, 6, seed=5, rank=rank, world_size=world_size) for rank in range(world_size)]
    for epoch in range(3):
        shown = [order.rows(step)[1] for step in range(epoch * 6, epoch * 6 + 6) for order in orders]
        assert len(np.unique(np.concatenate(shown))) == 36
        assert all(order.rows(step)[0] == epoch for step in range(epoch * 6, epoch * 6 + 6) for order in orders)


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_side_by_side_are_the_global_batch(world_size):
    alone = Order(37, 6, seed=5)
    parts = [Order(37, 6, seed=5, rank=rank, world_size=world_size) for rank in range(world_size)]
    for step in (0, 4, 17):
        joined = np.concatenate([part.rows(step)[1] for part in parts])
        assert np.array_equal(joined, alone.rows(step)[1])


@pytest.mark.parametrize("size", [6, lambda step: 6 if step % 3 else 12])
def test_any_step_is_the_same_without_the_ones_before(size):
    order = Order(37, size, seed=5)
    steps = [order.rows(step) for step in range(20)]
    for step in (19, 7, 0, 13):
        epoch, rows = Order(37, size, seed=5).rows(step)
        assert epoch == steps[step][0]
        assert np.array_equal(rows, steps[step][1])
        assert np.array_equal(order.rows(step)[1], rows)


def test_seeds_and_epochs_differ():
    first, other = Order(37, 6, seed=5), Order(37, 6, seed=6)
    assert not np.array_equal(first.rows(0)[1], other.rows(0)[1])
    assert not np.array_equal(first.rows(0)[1], first.rows(6)[1])


def test_changing_batch_sizes_fill_epochs_without_overlap():
    def size(step):
        return (8, 4, 2)[step % 3]

    order = Order(37, size)
    assert order.first_step(0) == 0
    for epoch in range(4):
        steps = range(order.first_step(epoch), order.first_step(epoch + 1))
        rows = np.concatenate([order.rows(step)[1] for step in steps])
        assert len(np.unique(rows)) == len(rows) > 37 - 8
        assert {order.rows(step)[0] for step in steps} == {epoch}


def test_impossible_batches_are_refused():
    with pytest.raises(ValueError, match="7 must divide by the 2 processes"):
        Order(37, 7, world_size=2)
    with pytest.raises(ValueError, match="5 rows, fewer than one batch of 8; lower TRAIN.BATCH_SIZE"):
        Order(5, 8)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9])
def test_shards_are_the_list(length):
    for world_size in (1, 2, 3, 16):
        rows = [row for rank in range(world_size) for row in shard(length, rank, world_size)]
        assert sorted(rows) == list(range(length))
