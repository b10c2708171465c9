"""Moments of videos as items of their own: where they lie, what their labels are, each view once."""

import numpy as np
import pytest

from tests.data.painted import PaintedVideo, painted_records
from videonet.data.clips import ClipShape
from videonet.data.loader import EvalLoader
from videonet.data.moments import MomentClips, moment_frames
from videonet.data.segments import Segments
from videonet.evaluation.localisation import moments

SHAPE = ClipShape(frames=4, rate=3, size=16)
NAMES = ("a-60-16x24", "missing-50-16x24", "b-50-24x16", "c-7-16x16")


def data(count: int = 5, crops: int = 3) -> MomentClips:
    segments = Segments.pack([[(0, 0, 11), (1, 12, 59)], [], [(2, 0, 49)], [(0, 6, 6)]], 3)
    return MomentClips(painted_records(*NAMES), SHAPE, segments, moments=count, crops=crops, open_video=PaintedVideo)


def test_moments_are_those_of_the_official_protocol():
    assert np.allclose(moment_frames(750, 25) / 30, moments(25.0))


def test_clips_lie_around_their_moments_with_exact_strides():
    clips = data().around(60, 30.0, 4, 3)
    assert clips.tolist() == [[0, 0, 0, 3], [6, 9, 12, 15], [18, 21, 24, 27], [30, 33, 36, 39], [42, 45, 48, 51]]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_view_of_every_moment_once_with_its_label(world_size):
    one, seen, labels = data(), [], {}
    for rank in range(world_size):
        loader = EvalLoader(one, 1, rank=rank, world_size=world_size)
        for batch in one.batches(loader.batches(), 4, "cpu"):
            assert batch["clip"].shape[1:] == (4, 16, 16, 3)
            for item, view, label in zip(batch["index"].tolist(), batch["view"].tolist(), batch["label"].tolist()):
                seen.append((item, view))
                labels[item] = label
        seen += [(item, view) for bad in loader.missing for item in one.items_of(bad.index) for view in range(3)]
    assert one.views == 3 and sorted(seen) == [(item, view) for item in range(one.items) for view in range(3)]
    assert [labels[i] for i in range(5)] == [[1, 0, 0]] + [[0, 1, 0]] * 4 and labels[12] == [0, 0, 1]
    assert one.items == 20 and one.name(13) == "videos/b-50-24x16#3"
