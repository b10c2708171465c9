"""Timing: parts add up to the whole, works take turns, and the largest that fits is found."""

import mmap
import time

import pytest
import torch
from torch import nn

from videonet.models.timing import largest, leaves, medians, module_times, peak_memory

CPU = torch.device("cpu")


class Sleep(nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, x):
        time.sleep(self.seconds)
        return x


def test_parts_are_timed_over_all_their_calls():
    shared = Sleep(0.004)
    model = nn.Sequential(Sleep(0.01), nn.Sequential(shared, shared))
    times = module_times(model, [torch.zeros(1)], ["0", "1", "1.0"], repeats=2)
    assert list(times) == ["0", "1", "1.0"] and times["0"] >= 0.01
    assert 0.008 <= times["1.0"] <= times["1"]
    assert not model[0]._forward_hooks and leaves(model) == ["0", "1.0"]


def test_works_take_turns_after_one_that_warms_up():
    order = []
    times = medians({"a": lambda: order.append("a"), "b": lambda: time.sleep(0.002)}, CPU, repeats=3)
    assert order == ["a"] * 4 and times["b"] > 0.002 > times["a"]


@pytest.mark.parametrize("room", [0, 1, 2, 3, 7, 8, 100])
def test_the_largest_batch_that_fits(room):
    tried = []
    assert largest(lambda n: tried.append(n) or n <= room) == room
    assert len(tried) == len(set(tried)) <= 2 * room.bit_length() + 1
    assert largest(lambda n: True, limit=24) == 24


def test_peak_memory_sees_what_was_allocated_and_only_since():
    with peak_memory(CPU) as peak:
        before = peak()
        with mmap.mmap(-1, 256 << 20) as taken:  # pages of its own: an allocator may hand out what it kept
            for page in range(0, len(taken), mmap.PAGESIZE):
                taken[page] = 1
            time.sleep(0.05)
        after = peak()
    assert before is None or after - before > 200 << 20
    with peak_memory(CPU) as peak:
        assert before is None or after - peak() > 200 << 20
