"""Which frames: every rule that turns a video's length into the frame indices of a clip, as pure functions.

A video has `total` frames at `fps`; a clip has `frames` frames, `rate` apart at `target_fps`. So a clip spans
`frames * rate / target_fps` seconds of any video, and its indices are spread evenly over that span: the rule of
PySlowFast, on which the published Kinetics numbers stand. Results are int64 arrays; random choices come from the
generator handed in. All rules of a kind are called alike, so that any fits any dataset:

    training  (rng, total, fps, frames, rate) -> (frames,)         random_clip, random_strided, random_segments
    test      (total, fps, frames, rate) -> (views, frames)        clip_views, strided_views, segment_views
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

SHORT_POLICIES = ("repeat_last", "loop", "error")
SPANS = ("published", "offset", "to_end")


class ShortVideo(ValueError):
    """A video has fewer frames than the clip needs, and the policy for short videos is `error`."""

    reason = "too short"


def clip_span(frames: int, rate: float, fps: float, target_fps: float = 30.0) -> float:
    """Source frames that a clip covers; 0 for target_fps means that the rate counts source frames as they are."""
    if frames < 1 or rate <= 0 or target_fps < 0:
        raise ValueError(f"a clip needs frames >= 1, rate > 0 and target_fps >= 0, got {frames}, {rate}, {target_fps}")
    return frames * rate if target_fps == 0 else frames * rate / target_fps * fps


def fit(indices: np.ndarray, total: int, short: str = "repeat_last") -> np.ndarray:
    """Indices brought inside a video of `total` frames: the last frame repeated, the video looped, or ShortVideo."""
    if short not in SHORT_POLICIES:
        raise ValueError(f"unknown policy for short videos {short!r}; one of {', '.join(SHORT_POLICIES)}")
    if total < 1:
        raise ShortVideo("the video has no frame")
    over = int(indices.max()) - total + 1
    if over > 0 and short == "error":
        raise ShortVideo(
            f"the video has {total} frames, the clip needs {over} more; loop or repeat_last would fill them"
        )
    if short == "loop":
        return indices.astype(np.int64) % total
    return indices.clip(0, total - 1).astype(np.int64)


def spread(start: float, span: float, frames: int, total: int, short: str = "repeat_last") -> np.ndarray:
    """`frames` indices evenly from `start` to `start + span - 1`, both ends included, truncated to whole frames."""
    return fit(torch.linspace(start, start + span - 1, frames).long().numpy(), total, short)


def random_clip(
    rng: np.random.Generator,
    total: int,
    fps: float,
    frames: int,
    rate: float,
    *,
    target_fps: float = 30.0,
    short: str = "repeat_last",
) -> np.ndarray:
    """A training clip: its start is uniform over the video. (frames,)"""
    span = clip_span(frames, rate, fps, target_fps)
    return spread(rng.uniform(0, max(total - span, 0)), span, frames, total, short)


def centre_clip(
    total: int, fps: float, frames: int, rate: float, *, target_fps: float = 30.0, short: str = "repeat_last"
) -> np.ndarray:
    """The clip in the middle of the video: validation without chance. (frames,)"""
    return clip_views(total, fps, frames, rate, views=1, spans="to_end", target_fps=target_fps, short=short)[0]


def view_starts(total: int, span: float, views: int, how: str = "published") -> np.ndarray:
    """First frame (fractional) of each of the `views` test clips of a video.

    published: i / views of the room, so the end of the video is never reached (SlowFast, section 4; I3D test).
    offset: whole steps of room // (views - 1), PySlowFast's USE_OFFSET_SAMPLING; one view starts in the middle.
    to_end: from the first frame to the last one, both included; one view lies in the middle.
    """
    if how not in SPANS:
        raise ValueError(f"unknown test spans {how!r}; one of {', '.join(SPANS)}")
    if views < 1:
        raise ValueError(f"a test needs at least 1 view, got {views}")
    room = max(total - span, 0)
    if how == "published":
        return np.array([room * i / views for i in range(views)])
    if views == 1:
        return np.array([float(room // 2 if how == "offset" else room / 2)])
    step = room // (views - 1) if how == "offset" else room / (views - 1)
    return np.array([step * i for i in range(views)])


def clip_views(
    total: int,
    fps: float,
    frames: int,
    rate: float,
    *,
    views: int = 10,
    spans: str = "published",
    target_fps: float = 30.0,
    short: str = "repeat_last",
) -> np.ndarray:
    """All test clips of a video, by `view_starts`. (views, frames)"""
    span = clip_span(frames, rate, fps, target_fps)
    starts = view_starts(total, span, views, spans)
    return np.stack([spread(float(start), span, frames, total, short) for start in starts])


def strided(start: int, frames: int, rate: int, total: int, short: str = "repeat_last") -> np.ndarray:
    """`frames` indices exactly `rate` apart from `start`. (frames,)"""
    return fit(start + rate * np.arange(frames), total, short)


def random_strided(
    rng: np.random.Generator, total: int, fps: float, frames: int, rate: int, *, short: str = "repeat_last"
) -> np.ndarray:
    """A training clip of Charades: exact strides in source frames, whatever the fps, from a uniform start. (frames,)"""
    room = max(total - (frames - 1) * rate - 1, 0)
    return strided(int(rng.integers(room + 1)), frames, rate, total, short)


def strided_views(
    total: int, fps: float, frames: int, rate: int, *, views: int = 10, short: str = "repeat_last"
) -> np.ndarray:
    """The test clips of Charades: exact strides, starts spread from the first frame to the last. (views, frames)"""
    starts = view_starts(total, (frames - 1) * rate + 1, views, "to_end").round().astype(int)
    return np.stack([strided(int(start), frames, rate, total, short) for start in starts])


def centred_clip(centre: int, frames: int, rate: int, total: int, *, stretch: float = 1.0) -> np.ndarray:
    """The clip around a key frame (AVA): from half a clip before it, clamped to the video. (frames,)

    stretch: frames of the video for one that `rate` counts (2 for a video of 60 fps and a rate at 30).
    """
    steps = rate * np.arange(frames) - frames * rate // 2
    return fit(centre + np.rint(stretch * steps).astype(np.int64), total)


def segment_edges(total: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last index of `frames` equal segments of a video, which share their ends (TSN; SSv2 in PySlowFast)."""
    edges = np.round((total - 1) / frames * np.arange(frames + 1)).astype(np.int64)
    return edges[:-1], edges[1:]


def random_segments(
    rng: np.random.Generator, total: int, fps: float, frames: int, rate: float = 0, *, short: str = "repeat_last"
) -> np.ndarray:
    """A training clip of Something-Something: a random frame of each segment, whatever fps and rate. (frames,)"""
    first, last = segment_edges(_long_enough(total, frames, short), frames)
    return fit(rng.integers(first, last, endpoint=True), total, short)


def segment_views(
    total: int, fps: float, frames: int, rate: float = 0, *, views: int = 1, short: str = "repeat_last"
) -> np.ndarray:
    """The test clips of Something-Something, whatever fps and rate. (views, frames)

    One view: the middle of each segment, as published. Several: each segment is cut into `views` parts and view k walks
    through the k-th, so all views differ from `views * frames` frames on (PySlowFast repeats the same clip).
    """
    if views < 1:
        raise ValueError(f"a test needs at least 1 view, got {views}")
    length = _long_enough(total, frames, short)
    if views == 1:
        first, last = segment_edges(length, frames)
        return fit((first + last) // 2, total, short)[None]
    segment = np.arange(frames)
    part = (np.arange(views)[:, None] + (segment + 0.5) / frames) / views
    return fit(np.floor(length / frames * (segment + part)), total, short)


def _long_enough(total: int, frames: int, short: str) -> int:
    """The length that segments are cut from: the video's, or under `loop` as many whole repeats as fill the clip."""
    if total < 1:
        raise ShortVideo("the video has no frame")
    if total >= frames or short == "repeat_last":
        return total
    return total * -(-frames // total) if short == "loop" else frames


def multigrid_rate(rng: np.random.Generator, rate: int, longest: int = 0) -> int:
    """The rate of one training clip in multigrid training: uniform from `rate` to `longest`; 0 keeps `rate`."""
    if longest and longest < rate:
        raise ValueError(
            f"the longest sampling rate {longest} is below the rate {rate}; set it to 0 or to at least {rate}"
        )
    return int(rng.integers(rate, longest, endpoint=True)) if longest else rate


class Rules(NamedTuple):
    """How a dataset takes clips: one at random; the middle one, as (1, frames); the test's, called with `views`."""

    train: Callable
    val: Callable
    test: Callable


KINDS = {
    "clip": (random_clip, clip_views),
    "strided": (random_strided, strided_views),
    "segments": (random_segments, segment_views),
}


def rules(kind: str, *, target_fps: float = 30.0, short: str = "repeat_last", spans: str = "published") -> Rules:
    """The rules of a kind: "clip" (Kinetics), "strided" (Charades) or "segments" (Something-Something).

    target_fps, spans: of "clip"; the others count the frames of the video, and their views reach its end.
    """
    if kind not in KINDS:
        raise ValueError(f"clips are sampled as {', '.join(KINDS)}, not {kind!r}")
    train, test = KINDS[kind]
    if kind != "clip":
        return Rules(partial(train, short=short), partial(test, views=1, short=short), partial(test, short=short))
    time = {"target_fps": target_fps, "short": short}
    return Rules(
        partial(train, **time), partial(test, views=1, spans="to_end", **time), partial(test, spans=spans, **time)
    )
