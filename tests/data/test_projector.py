"""Frames are shown some at a time: none is lost, none stays that was taken back."""

import av
import numpy as np

from videonet.data.decoders.clips import Clips
from videonet.data.decoders.projector import Projector


def shade(value: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((16, 16, 3), value, np.uint8), format="rgb24")


def test_frames_wait_for_others_and_come_at_the_end():
    count = Projector.AT_ONCE + 3
    request = (np.arange(count), None)
    clips = Clips([request], (16, 16))
    projector = Projector(clips, [request], (16, 16))
    for index in range(count):
        projector.show(index, shade(index))
    assert len(clips.lacking) == 3
    projector.finish()
    assert not clips.lacking
    assert (clips.tensors[0].float().mean((1, 2, 3)).round().int().tolist()) == list(range(count))


def test_frames_that_wait_are_taken_back_too():
    request = (np.array([4, 9]), None)
    clips = Clips([request], (16, 16))
    projector = Projector(clips, [request], (16, 16))
    projector.show(4, shade(1))
    projector.recall([4, 9])
    projector.show(9, shade(2))
    projector.finish()
    assert clips.lacking == {4}
    assert clips.repeat("a.mp4") == 1
