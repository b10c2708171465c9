"""Drawn videos: every frame at its time, whole or not at all; heat leaves cold places alone."""

import numpy as np
import pytest
import torch

from tests.data.movies import numbers_of, painted
from videonet.data.video import Video
from videonet.visualize.drawing import draw_boxes, draw_heat, draw_text
from videonet.visualize.movie import Movie

TIMES = [0, 0.04, 0.08, 0.5, 0.54, 2.0, 2.04]


@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
def test_frames_come_back_in_number_and_time(tmp_path, size):
    path = tmp_path / "new" / "drawn.mp4"
    with Movie(path, *size, fps=25) as movie:
        for number, seconds in enumerate(TIMES):
            movie.write(painted(number, size), seconds)
    with Video(path) as video:
        assert numbers_of(video.read(range(video.num_frames))) == list(range(7))
        np.testing.assert_allclose(video.times - video.times[0], TIMES, atol=1e-4)
        assert (video.height, video.width) == (64, 96)


def test_a_failure_leaves_no_file(tmp_path):
    with pytest.raises(KeyError), Movie(tmp_path / "drawn.mp4", 64, 64, 25) as movie:
        movie.write(painted(0, (64, 64)), 0)
        raise KeyError
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="an .mp4, .mkv or .mov file"):
        Movie(tmp_path / "drawn.txt", 64, 64, 25)


def test_heat_colours_hot_places_only():
    frame = painted(5, (64, 96))
    heat = torch.zeros(4, 6)
    heat[0, 0] = 1
    drawn = draw_heat(frame, heat)
    assert (drawn[32:] == frame[32:]).all() and (drawn[:, 48:] == frame[:, 48:]).all()
    assert (drawn[:8, :8] != frame[:8, :8]).any()


def test_boxes_and_words_are_drawn_where_they_belong():
    frame = np.zeros((120, 160, 3), np.uint8)
    drawn = draw_boxes(frame, np.array([[80, 60, 140, 110]]), ["run 0.9"], [3])
    assert drawn[60, 80:141].any(1).all() and not drawn[:58].any() and not drawn[:, :78].any()
    assert draw_text(frame, "run")[:30, :60].any() and not frame.any()
