"""Demo clips: eight motions in small H.264 files, of which no single frame tells the class.

Shapes drift left, right, up or down, turn either way, grow or shrink. Place, angle and size live on circles: what
leaves on one side comes back on the other, and sizes run through a range at whose ends a shape fades out. All start
uniform on their circles, so a frame at any time has exactly the same distribution in every class: time is all there is
to learn.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np

# Class name -> what changes (x, y, angle, size) and which way, in image coordinates (y points down).
MOTIONS = {
    "left": (0, -1),
    "right": (0, 1),
    "up": (1, -1),
    "down": (1, 1),
    "turn clockwise": (2, 1),
    "turn anticlockwise": (2, -1),
    "grow": (3, 1),
    "shrink": (3, -1),
}
SPEEDS = ((0.02, 0.045), (0.02, 0.045), (0.018, 0.04), (0.025, 0.045))  # turns of the circle a frame
RADII = (0.11, 0.4)  # smallest and largest, of the frame
SHAPES = 3
STAMP = "demo.json"
# x264's look-ahead reads past the edge of small frames, so what it decides changes from run to run: do without it.
ENCODER = {
    "crf": "18",
    "preset": "veryfast",
    "x264-params": "bframes=2:b-adapt=0:rc-lookahead=0:mbtree=0:scenecut=0:weightp=0",
}


@dataclass(frozen=True)
class DemoSettings:
    """What the demo clips depend on: the seed, clips in all, frames a clip (least, most), pixels and frame rate."""

    seed: int = 0
    train: int = 640
    val: int = 160
    frames: tuple[int, int] = (16, 20)
    size: int = 80
    fps: int = 30
    version: int = 1

    def __post_init__(self) -> None:
        if min(self.train, self.val) < len(MOTIONS) or self.size < 32 or self.size % 2 or self.frames[0] < 2:
            raise ValueError(
                f"the demo needs {len(MOTIONS)} clips a split or more, 2 frames, and an even size from 32 on: {self}"
            )


def write_demo(
    root: str | Path, seed: int = 0, *, train: int = 640, val: int = 160, size: int = 80, workers: int = 0
) -> bool:
    """Write root/videos/*.mp4, train.csv, val.csv, test.csv (the val clips) and classes.txt; False if they are there.

    train, val: clips of each split; size: pixels of a side. The same arguments give the same bytes. workers: processes,
    0 for one a core.
    """
    root, settings = Path(root), DemoSettings(seed, train, val, size=size)
    stamp, state = root / STAMP, json.loads(json.dumps(asdict(settings)))
    if stamp.is_file() and json.loads(stamp.read_text()) == state:
        return False
    stamp.unlink(missing_ok=True)
    (root / "videos").mkdir(parents=True, exist_ok=True)
    names = list(MOTIONS)
    jobs, lists = [], {"train": [], "val": []}
    for split, count in (("train", settings.train), ("val", settings.val)):
        for number in range(count):
            label = number % len(names)
            path = f"videos/{split}_{number:05d}_{names[label].replace(' ', '_')}.mp4"
            jobs.append((split, number, names[label], path))
            lists[split].append(f"{path} {label}\n")
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    write = partial(_write_clip, root, settings)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(write, jobs, chunksize=8))
    else:
        for job in jobs:
            write(job)
    for split, rows in {**lists, "test": lists["val"]}.items():
        (root / f"{split}.csv").write_text("".join(rows))
    (root / "classes.txt").write_text("\n".join(names) + "\n")
    stamp.write_text(json.dumps(state, indent=1) + "\n")
    return True


def _write_clip(root: Path, settings: DemoSettings, job: tuple[str, int, str, str]) -> None:
    split, number, motion, path = job
    rng = np.random.default_rng([settings.seed, split == "val", number])
    frames = draw_clip(rng, motion, int(rng.integers(*settings.frames, endpoint=True)), settings.size)
    write_video(root / path, frames, settings.fps)


def draw_states(rng: np.random.Generator, motion: str, frames: int) -> np.ndarray:
    """Place (x, y), angle and size of each shape, as parts of their circles, 0..1. (frames, SHAPES, 4)"""
    what, way = MOTIONS[motion]
    start = rng.uniform(size=(SHAPES, 4))
    speed = rng.uniform(*SPEEDS[what]) * rng.uniform(0.85, 1.15, SHAPES)
    change = np.zeros((SHAPES, 4))
    change[:, what] = way * speed
    return (start + np.arange(frames)[:, None, None] * change) % 1


def draw_clip(rng: np.random.Generator, motion: str, frames: int, size: int) -> np.ndarray:
    """A clip of random shapes in one motion on a random background. uint8 (frames, size, size, 3)"""
    states = draw_states(rng, motion, frames).astype(np.float32)
    canvas = np.repeat(_background(rng, size)[None], frames, 0)
    for shape in range(SHAPES):
        _paint(canvas, states[:, shape], rng)
    return canvas.round().clip(0, 255).astype(np.uint8)


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
    """Smooth random colours with a grain. float32 (size, size, 3)"""
    grid = rng.uniform(40, 215, (4, 4, 3))
    at = np.linspace(0, 3, size)
    low = np.minimum(at.astype(int), 2)
    weights = np.zeros((size, 4))
    weights[np.arange(size), low] = 1 - (at - low)
    weights[np.arange(size), low + 1] = at - low
    smooth = np.einsum("yi,xj,ijc->yxc", weights, weights, grid)
    return (smooth + rng.normal(0, rng.uniform(2, 12), (size, size, 1))).astype(np.float32)


def _paint(canvas: np.ndarray, states: np.ndarray, rng: np.random.Generator) -> None:
    """Paint one shape of random form, texture and colours into all frames of a canvas (T, size, size, 3)."""
    size = canvas.shape[1]
    x, y, angle, scale = (value[:, None, None] for value in states.T)
    radius = RADII[0] * (RADII[1] / RADII[0]) ** scale
    places = ((np.arange(size, dtype=np.float32) + 0.5) / size)[None]
    dx = ((places[:, None, :] - x + 0.5) % 1 - 0.5) / radius
    dy = ((places[:, :, None] - y + 0.5) % 1 - 0.5) / radius
    cos, sin = np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)
    u, v = dx * cos + dy * sin, dy * cos - dx * sin
    edge = np.clip((1 - _form(rng, u, v)) * radius * size + 0.5, 0, 1)
    opacity = np.clip(np.minimum(scale, 1 - scale) / 0.12, 0, 1)
    light = np.clip(_texture(rng, u, v) * radius * size * 0.5 + 0.5, 0, 1)[..., None]
    dark, bright = rng.uniform(0, 130, 3).astype(np.float32), rng.uniform(125, 255, 3).astype(np.float32)
    canvas += (edge * opacity)[..., None] * (dark + light * (bright - dark) - canvas)


def _form(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Distance from the middle of a random form, 1 on its outline."""
    form = int(rng.integers(5))
    if form == 0:
        return np.sqrt(u * u + v * v)
    if form == 1:
        return np.sqrt(u * u + 3 * v * v)
    if form == 2:
        return 1.25 * np.maximum(abs(u), abs(v))
    if form == 3:
        return 1.9 * np.maximum(-u, np.maximum(0.5 * u + 0.866 * v, 0.5 * u - 0.866 * v))
    return np.minimum(np.maximum(2.6 * abs(u), abs(v)), np.maximum(abs(u), 2.6 * abs(v)))


def _texture(rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A random pattern over a form, positive where it is bright, that looks different at every angle."""
    texture = int(rng.integers(4))
    if texture == 0:
        return u - 0.1
    if texture == 1:
        return np.maximum(u, v) - 0.1
    if texture == 2:
        return 0.25 * np.sin(rng.uniform(4, 7) * u) + 0.1 * v
    return np.sqrt((u - 0.35) ** 2 + v * v) - 0.4


def write_video(path: Path, frames: np.ndarray, fps: int) -> None:
    """Encode uint8 (T, H, W, 3) as H.264 so that the bytes are the same on every run."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=ENCODER)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
