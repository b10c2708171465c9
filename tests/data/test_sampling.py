"""Which frames: the published rules, inside the video at any length, and different where views must differ."""

import json

import numpy as np
import pytest

from videonet.data import sampling


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden/pyslowfast/schedules_and_sampling.json").read_text())


def find(golden: dict, start: str) -> list[dict]:
    return next(value for key, value in golden.items() if key.startswith(start))


def test_published_test_views(golden):
    for case in find(golden, "temporal_sampling"):
        how = "offset" if case["use_offset"] else "published"
        starts = sampling.view_starts(case["video_size"], case["clip_size"], case["num_clips"], how)
        start = float(starts[case["clip_idx"]])
        assert start == pytest.approx(case["start"], abs=1e-9)
        indices = sampling.spread(start, case["clip_size"], 32, case["video_size"])
        assert indices.tolist() == case["indices_32"]


def test_published_charades_views(golden):
    for case in find(golden, "charades_test"):
        clips = sampling.strided_views(case["video_length"], 30, case["num_frames"], case["rate"], views=case["views"])
        assert clips[case["view"]].tolist() == case["seq"]


def test_published_segments(golden):
    for case in find(golden, "ssv2_test"):
        clips = sampling.segment_views(case["video_length"], 30, case["num_frames"])
        assert clips.shape == (1, case["num_frames"])
        assert clips[0].tolist() == case["test_seq"]


def test_published_key_frame_clip(golden):
    for case in find(golden, "ava"):
        frames = len(case["seq"])
        assert frames * case["rate"] // 2 == case["half_len"]
        assert sampling.centred_clip(case["center"], frames, case["rate"], case["num_frames"]).tolist() == case["seq"]


def test_span_follows_the_frame_rate():
    assert sampling.clip_span(32, 2, 30) == 64
    assert sampling.clip_span(32, 2, 15) == 32
    assert sampling.clip_span(8, 8, 25, target_fps=0) == 64
    with pytest.raises(ValueError, match="rate > 0"):
        sampling.clip_span(8, 0, 30)


@pytest.mark.parametrize("total", [1, 10, 31, 32, 33, 300])
@pytest.mark.parametrize("short", ["repeat_last", "loop"])
def test_every_rule_stays_inside_the_video(total, short):
    rng = np.random.default_rng(0)
    clips = [
        sampling.random_clip(rng, total, 30, 32, 2, short=short),
        sampling.centre_clip(total, 30, 32, 2, short=short),
        *sampling.clip_views(total, 30, 32, 2, views=10, short=short),
        *sampling.clip_views(total, 30, 32, 2, views=3, spans="to_end", short=short),
        sampling.random_strided(rng, total, 30, 32, 2, short=short),
        *sampling.strided_views(total, 30, 32, 2, short=short),
        sampling.random_segments(rng, total, 30, 32, short=short),
        *sampling.segment_views(total, 30, 32, views=3, short=short),
    ]
    for clip in clips:
        assert clip.dtype == np.int64
        assert clip.shape == (32,)
        assert clip.min() >= 0
        assert clip.max() < total
        if short == "repeat_last" or total >= 64:
            assert (np.diff(clip) >= 0).all()


def test_short_videos_follow_the_policy():
    assert sampling.centre_clip(4, 30, 8, 1).tolist() == [0, 1, 2, 3, 3, 3, 3, 3]
    assert sampling.centre_clip(4, 30, 8, 1, short="loop").tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert sampling.segment_views(4, 30, 8, short="loop").max() == 3
    for call in (
        lambda: sampling.centre_clip(4, 30, 8, 1, short="error"),
        lambda: sampling.clip_views(63, 30, 32, 2, short="error"),
        lambda: sampling.segment_views(4, 30, 8, short="error"),
        lambda: sampling.segment_views(0, 30, 8),
    ):
        with pytest.raises(sampling.ShortVideo):
            call()
    assert sampling.clip_views(64, 30, 32, 2, short="error").max() == 63
    with pytest.raises(ValueError, match="repeat_last, loop, error"):
        sampling.centre_clip(4, 30, 8, 1, short="pad")


def test_centre_clip_is_symmetric_about_the_middle():
    clip = sampling.centre_clip(300, 30, 32, 2)
    assert abs((clip[0] + clip[-1]) / 2 - 299 / 2) <= 1


def test_random_clips_reach_both_ends_and_repeat_by_seed():
    rng = np.random.default_rng(3)
    clips = [sampling.random_clip(rng, 40, 30, 8, 4) for _ in range(400)]
    assert min(clip[0] for clip in clips) == 0
    assert max(clip[-1] for clip in clips) == 38
    again = np.random.default_rng(3)
    assert np.array_equal(np.stack(clips), [sampling.random_clip(again, 40, 30, 8, 4) for _ in range(400)])
    strided = [sampling.random_strided(rng, 40, 30, 8, 4) for _ in range(400)]
    assert {int(clip[0]) for clip in strided} == set(range(40 - 29 + 1))


def test_random_segments_take_one_frame_of_each_segment():
    rng = np.random.default_rng(0)
    first, last = sampling.segment_edges(57, 8)
    clips = np.stack([sampling.random_segments(rng, 57, 30, 8) for _ in range(300)])
    assert (clips.min(0) == first).all()
    assert (clips.max(0) == last).all()


@pytest.mark.parametrize("spans", sampling.SPANS)
@pytest.mark.parametrize("total", [90, 280, 300, 1000])
def test_test_views_differ(spans, total):
    clips = sampling.clip_views(total, 30, 32, 2, views=10, spans=spans)
    assert len({clip.tobytes() for clip in clips}) == 10


def test_uniform_views_reach_the_end():
    clips = sampling.clip_views(300, 30, 32, 2, views=10, spans="to_end")
    assert (clips[0, 0], clips[-1, -1]) == (0, 299)
    assert sampling.clip_views(300, 30, 32, 2, views=10)[-1, -1] == 275
    middle = sampling.clip_views(300, 30, 32, 2, views=1, spans="to_end")[0]
    assert np.array_equal(middle, sampling.centre_clip(300, 30, 32, 2))


@pytest.mark.parametrize("frames", [8, 16, 32])
@pytest.mark.parametrize("views", [2, 3, 5])
def test_segment_views_differ(frames, views):
    for total in range(views * frames, 7 * frames):
        clips = sampling.segment_views(total, 30, frames, views=views)
        assert len({clip.tobytes() for clip in clips}) == views
        assert (np.diff(clips) >= 0).all()
        assert clips.max() < total


def test_multigrid_rate():
    rng = np.random.default_rng(0)
    assert {sampling.multigrid_rate(rng, 2, 5) for _ in range(100)} == {2, 3, 4, 5}
    assert sampling.multigrid_rate(rng, 2) == 2
    with pytest.raises(ValueError, match="below the rate"):
        sampling.multigrid_rate(rng, 4, 2)
