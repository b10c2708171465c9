"""How other libraries read the same clips, to measure reading beside them: CPU time, interleaved, ratios."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from os import PathLike

import av
import numpy as np
import torch
from torch.nn.functional import interpolate

from videonet.data.decoders.backends import root_cause, version_of, works
from videonet.data.transforms import apply_window
from videonet.data.video import Video
from videonet.data.window import Window

Request = tuple[np.ndarray, Window]
Peer = Callable[[str, Sequence[Request]], list]
Sampling = Callable[[np.random.Generator, int, float], np.ndarray]
Windows = Callable[[np.random.Generator, int, int], Window | Sequence[Window]]

_MARGIN = 1024  # ticks before the clip that PySlowFast seeks to
_SLOW = 4  # every fourth frame goes to the slow pathway


def together(requests: Sequence[Request]) -> list[Request]:
    """Requests whose windows have one scale as one: every frame once, in the window around theirs.

    The views of a test are then slices of what is read, which cost nothing.
    """
    groups: dict[tuple[float, float], list[Request]] = {}
    for indices, window in requests:
        groups.setdefault((window.out_h / window.h, window.out_w / window.w), []).append((indices, window))
    return [_around(group, *scale) for scale, group in groups.items()]


def _around(group: Sequence[Request], down: float, across: float) -> Request:
    windows = [window for _, window in group]
    y, x = min(window.y for window in windows), min(window.x for window in windows)
    h = max(window.y + window.h for window in windows) - y
    w = max(window.x + window.w for window in windows) - x
    frames = np.unique(np.concatenate([indices for indices, _ in group]))
    return frames, Window(y, x, h, w, round(h * down), round(w * across))


def videonet(path: str, requests: Sequence[Request]) -> list[torch.Tensor]:
    """All frames that the clips show from one decode, uint8, as they leave a worker here."""
    with Video(path) as video:
        return video.read_many(together(requests))


def pyslowfast(path: str, requests: Sequence[Request]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """PySlowFast's steps on PyAV: each clip decoded by itself, all its frames to RGB, then float work in the worker."""
    return [_pyslowfast_clip(path, *request) for request in requests]


def _pyslowfast_clip(path: str, indices: np.ndarray, window: Window) -> tuple[torch.Tensor, torch.Tensor]:
    with av.open(path) as container:
        stream = container.streams.video[0]
        tick = float(stream.duration) / stream.frames
        start, end = int(indices[0] * tick), int(indices[-1] * tick)
        container.seek(max(start - _MARGIN, 0), any_frame=False, backward=True, stream=stream)
        frames = {}
        for frame in container.decode(video=0):
            if frame.pts < start:
                continue
            frames[frame.pts] = frame
            if frame.pts > end:
                break
        pixels = [frames[pts].to_rgb().to_ndarray() for pts in sorted(frames)]
    clip = torch.from_numpy(np.stack(pixels))
    places = torch.linspace(0, len(clip) - 1, len(indices)).long()
    clip = clip[places].float() / 255
    clip = (clip - torch.tensor([0.45, 0.45, 0.45])) / torch.tensor([0.225, 0.225, 0.225])
    clip = clip.permute(3, 0, 1, 2)
    height, width = clip.shape[2:]
    size = round(height * window.out_h / window.h), round(width * window.out_w / window.w)
    clip = interpolate(clip, size, mode="bilinear", align_corners=False)
    y, x = round(window.y * window.out_h / window.h), round(window.x * window.out_w / window.w)
    clip = clip[:, :, y : y + window.out_h, x : x + window.out_w]
    if indices[0] % 2:  # half of the clips are mirrored
        clip = clip.flip(-1)
    slow = torch.linspace(0, len(indices) - 1, max(len(indices) // _SLOW, 1)).long()
    return clip.index_select(1, slow), clip.contiguous()


def torchcodec(path: str, requests: Sequence[Request]) -> list[torch.Tensor]:
    """torchcodec: exact, one thread, one call for all frames, then crop and scale of uint8."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact")
    return _shared(requests, lambda indices: decoder.get_frames_at(indices).data)


def decord(path: str, requests: Sequence[Request]) -> list[torch.Tensor]:
    """decord: one thread, one batch for all frames, then crop and scale of uint8."""
    from decord import VideoReader, cpu

    reader = VideoReader(path, ctx=cpu(0), num_threads=1)
    return _shared(requests, lambda indices: torch.from_numpy(reader.get_batch(indices).asnumpy()))


def _shared(requests: Sequence[Request], fetch: Callable[[list[int]], torch.Tensor]) -> list[torch.Tensor]:
    groups = together(requests)
    unique = np.unique(np.concatenate([indices for indices, _ in groups]))
    frames = fetch(unique.tolist())
    if len(groups) == 1:
        return [apply_window(frames, groups[0][1])]
    return [
        apply_window(frames[torch.from_numpy(np.searchsorted(unique, indices))], window) for indices, window in groups
    ]


PEERS: dict[str, Peer] = {"pyslowfast": pyslowfast, "videonet": videonet, "torchcodec": torchcodec, "decord": decord}


def faults(peers: Sequence[str]) -> dict[str, str]:
    """Why peers cannot be measured here: those that are not installed or do not load, with the cause."""
    found = {}
    for name in peers:
        try:
            works(name if name in ("torchcodec", "decord") else "pyav")
        except Exception as error:  # whatever a foreign library raises while it loads
            found[name] = root_cause(error)
    return found


def measure(
    files: Sequence[str | PathLike],
    sampling: Sampling,
    window: Windows,
    peers: Sequence[str] = tuple(PEERS),
    rounds: int = 5,
    seed: int = 0,
) -> list[dict[str, object]]:
    """CPU time of reading the same clips with each peer, each in a process of its own with one thread.

    sampling(rng, frames, fps) gives the indices of a clip (T,) or of several (V, T); window(rng, height, width) one or
    several windows; an item is every clip in every window. In each round each peer in turn, in random order, reads
    every file, and one before that to be as warm as a worker is.
    Returns one row a peer: peer, version, ms (median CPU time an item), speed (median over items of the first peer's
    time by this one's), items, error ("" where it could be measured).
    """
    if unknown := set(peers) - set(PEERS):
        raise ValueError(f"there is no peer {sorted(unknown)[0]!r} to measure; the peers are {', '.join(PEERS)}")
    wrong = faults(peers)
    stations = {name: _Station(name) for name in peers if name not in wrong}
    times: dict[str, list[float]] = {name: [] for name in stations}
    try:
        for turn in range(rounds):
            rng = np.random.default_rng([seed, turn])
            jobs = [(str(file), _requests(str(file), rng, sampling, window)) for file in files]
            for name in rng.permutation(list(stations)).tolist():
                times[name] += stations[name].read(jobs)
    finally:
        for station in stations.values():
            station.close()
    return [_row(name, times, wrong.get(name, "")) for name in peers]


class _Station:
    """A process that reads with one peer and tells the CPU time. Its memory is not warmed or worn by the others."""

    def __init__(self, name: str) -> None:
        context = get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, far), daemon=True)
        self._process.start()
        far.close()
        self._name = name

    def read(self, jobs: Sequence[tuple[str, Sequence[Request]]]) -> list[float]:
        self._pipe.send(jobs)
        try:
            answer = self._pipe.recv()
        except EOFError:
            answer = "its process died"
        if isinstance(answer, str):
            raise ValueError(f"{self._name} cannot read these videos: {answer}")
        return answer

    def close(self) -> None:
        self._pipe.close()
        self._process.join(10)


def _serve(name: str, pipe: Connection) -> None:
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError):
        while True:
            jobs = pipe.recv()
            try:
                answer = [_timed(PEERS[name], *job) for job in (jobs[-1], *jobs)][1:]
            except Exception as error:  # whatever a foreign library raises
                answer = root_cause(error)
            pipe.send(answer)


def _timed(peer: Peer, file: str, requests: Sequence[Request]) -> float:
    begin = time.process_time()
    peer(file, requests)
    return time.process_time() - begin


def _requests(file: str, rng: np.random.Generator, sampling: Sampling, window: Windows) -> list[Request]:
    with Video(file) as video:
        clips = np.atleast_2d(sampling(rng, video.num_frames, video.fps))
        windows = window(rng, video.height, video.width)
    return [(clip, part) for clip in clips for part in ([windows] if isinstance(windows, Window) else windows)]


def _row(name: str, times: dict[str, list[float]], error: str) -> dict[str, object]:
    own = name in ("torchcodec", "decord")
    version = "" if error else version_of(name) if own else f"on PyAV {version_of('pyav')}"
    row: dict[str, object] = {"peer": name, "version": version, "ms": None, "speed": None, "items": 0, "error": error}
    if not error:
        own, first = np.array(times[name]), np.array(next(iter(times.values())))
        row.update(ms=float(1e3 * np.median(own)), speed=float(np.median(first / own)), items=len(own))
    return row
