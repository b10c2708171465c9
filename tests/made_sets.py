"""Made datasets in the formats of AVA, plain box lists, Charades and Something-Something V2, small enough to learn.

In all of them time decides: no single frame tells an action.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from videonet.data.demo import write_video

ACTIONS = ("stand", "walk left", "walk right", "jump", "talk")
HEIGHT, WIDTH, SLOT = 64, 96, 32  # of a frame, and of the place that a person has in it
SPAN = 24  # frames in which people do the same
MOTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}  # pixels a frame down and to the right
TEMPLATES = [f"Moving [something] {motion}" for motion in MOTIONS]
COLUMNS = "original_vido_id video_id frame_id path labels"


@dataclass(frozen=True)
class Person:
    """Somebody at a place (of the middle frame), and what they do."""

    x: float
    y: float
    actions: tuple[int, ...]
    phase: float
    colours: np.ndarray

    def at(self, time: float) -> tuple[int, int]:
        """x and y of the hips, `time` frames from the middle."""
        speed = (2 in self.actions) - (1 in self.actions)
        lift = 7 * abs(np.sin(np.pi * (time / 8 + self.phase))) if 3 in self.actions else 0
        return round(self.x + speed * time), round(self.y - lift)

    def box(self) -> np.ndarray:
        """x1, y1, x2, y2 in fractions of the middle frame."""
        x, y = self.at(0)
        return np.clip([(x - 9) / WIDTH, (y - 28) / HEIGHT, (x + 10) / WIDTH, (y + 13) / HEIGHT], 0, 1)

    def paint(self, frame: np.ndarray, time: float) -> None:
        """Head, trunk and legs, as rectangles; the head of a speaker changes its colour every four frames."""
        x, y = self.at(time)
        says = 4 in self.actions and (time / 8 + self.phase) % 1 < 0.5
        parts = ((-4, -28, 5, -18), (-6, -18, 7, 1), (-5, 1, -1, 13), (2, 1, 6, 13))
        for (x1, y1, x2, y2), colour in zip(parts, self.colours[[4 if says else 0, 1, 2, 3]]):
            frame[max(y + y1, 0) : max(y + y2, 0), max(x + x1, 0) : max(x + x2, 0)] = colour


def draw_people(rng: np.random.Generator) -> list[Person]:
    """Two or three people side by side, each standing or walking, maybe jumping, maybe talking."""
    people = []
    for slot in sorted(rng.permutation(WIDTH // SLOT)[: rng.integers(2, 4)]):
        actions = (int(rng.integers(3)), *(action for action in (3, 4) if rng.uniform() < 0.5))
        x, y = SLOT * (slot + 0.5) + rng.uniform(-3, 3), HEIGHT * 0.6 + rng.uniform(-4, 4)
        people.append(Person(x, y, actions, rng.uniform(), rng.integers(0, 256, (5, 3))))
    return people


def draw_span(rng: np.random.Generator, people: list[Person]) -> np.ndarray:
    """Their frames, the middle one at SPAN // 2. uint8 (SPAN, HEIGHT, WIDTH, 3)"""
    ground = rng.integers(60, 200, 3) + rng.normal(0, 6, (HEIGHT, WIDTH, 1))
    frames = np.repeat(ground[None], SPAN, 0)
    for time, frame in enumerate(frames):
        for person in people:
            person.paint(frame, time - SPAN // 2)
    return frames.clip(0, 255).astype(np.uint8)


def draw_motion(rng: np.random.Generator, motion: int, frames: int, size: int, speed: int = 1) -> np.ndarray:
    """Random patches that move as a whole; what leaves comes back on the other side. uint8 (frames, size, size, 3)"""
    picture = np.kron(rng.integers(0, 256, (size // 8, size // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    start, step = rng.integers(size, size=2), speed * np.array(list(MOTIONS.values())[motion])
    return np.stack([np.roll(picture, tuple(start + time * step), (0, 1)) for time in range(frames)])


def jitter(rng: np.random.Generator, box: np.ndarray) -> np.ndarray:
    """A box as a detector might have found it."""
    return np.clip(box + rng.normal(0, 0.01, 4), 0, 1)


def numbers(box: np.ndarray) -> str:
    return ",".join(f"{side:.3f}" for side in box)


def write_ava(root: Path, seconds: dict[str, int], seed: int = 0) -> None:
    """AVA's files as PySlowFast has them: frames of 30 a second from second 900, keyframes from 902 on, boxes of a
    detector for val. seconds: keyframes of each split, three a video.
    """
    for name in ("frames", "frame_lists", "annotations"):
        (root / name).mkdir(parents=True, exist_ok=True)
    notes = root / "annotations"
    labels = "".join(f'item {{\n  name: "{name}"\n  id: {k}\n}}\n' for k, name in enumerate(ACTIONS, 1))
    (notes / "ava_action_list_v2.2_for_activitynet_2019.pbtxt").write_text(labels)
    (notes / "ava_val_excluded_timestamps_v2.2.csv").write_text("")
    for split, count in seconds.items():
        rng = np.random.default_rng([seed, split == "val"])
        frames, truth, found = [COLUMNS], [], []
        for video in range(-(-count // 3)):
            name = f"{split}{video:04d}"
            (root / "frames" / name).mkdir()
            shown = {}
            for second in range(902, 902 + min(3, count - 3 * video)):
                people = draw_people(rng)
                first = 30 * (second - 900) - SPAN // 2
                for number, pixels in enumerate(draw_span(rng, people), first):
                    shown[number] = f"{name}/{name}_{number + 1:06d}.jpg"
                    Image.fromarray(pixels).save(root / "frames" / shown[number], quality=90)
                for person, one in enumerate(people):
                    place = f"{name},{second:04d},{numbers(one.box())}"
                    truth += [f"{place},{action + 1},{person}" for action in one.actions]
                    found.append(f"{name},{second:04d},{numbers(jitter(rng, one.box()))},,{rng.uniform(0.85, 1):.4f}")
            last = shown[min(shown)]
            for number in range(max(shown) + 1):  # between the spans nothing is looked at: an image stands for the next
                last = shown.get(number, last)
                frames.append(f'{name} {video} {number} {last} ""')
        (root / "frame_lists" / f"{split}.csv").write_text("\n".join(frames) + "\n")
        (notes / f"ava_{split}_v2.2.csv").write_text("\n".join(truth) + "\n")
        (notes / f"ava_{split}_predicted_boxes.csv").write_text("\n".join(found) + "\n")


def write_boxes(root: Path, videos: dict[str, int], fps: int = 30, seed: int = 0) -> None:
    """A plain box list for each split and its videos, one keyframe in the middle of each."""
    (root / "videos").mkdir(parents=True, exist_ok=True)
    for split, count in videos.items():
        rng, rows = np.random.default_rng([seed, split == "val", 1]), ["video,t_sec,x1,y1,x2,y2,label,score,person"]
        for video in range(count):
            people, name = draw_people(rng), f"{split}{video:04d}"
            write_video(root / "videos" / f"{name}.mp4", draw_span(rng, people), fps)
            for person, one in enumerate(people):
                place = f"{name},{SPAN / 2 / fps:.4f},{numbers(one.box())}"
                rows += [f"{place},{ACTIONS[action]},1,p{person}" for action in one.actions]
        (root / f"{split}.csv").write_text("\n".join(rows) + "\n")
    (root / "classes.txt").write_text("\n".join(ACTIONS) + "\n")


def write_charades(root: Path, videos: dict[str, int], size: int = 32, seed: int = 0) -> None:
    """Frame lists of videos in which two motions follow each other, with the labels of every frame."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("\n".join(MOTIONS) + "\n")
    for split, count in videos.items():
        rng, rows = np.random.default_rng([seed, split == "val", 2]), [COLUMNS]
        for video in range(count):
            name, number = f"{split}{video:04d}", 0
            (root / "frames" / name).mkdir(parents=True)
            for label in rng.permutation(len(MOTIONS))[:2]:
                for pixels in draw_motion(rng, label, 20, size, speed=2):
                    path = f"{name}/{number:06d}.jpg"
                    Image.fromarray(pixels).save(root / "frames" / path, quality=90)
                    rows.append(f'{name} {video} {number} {path} "{label}"')
                    number += 1
        (root / f"{split}.csv").write_text("\n".join(rows) + "\n")


def write_ssv2(root: Path, videos: dict[str, int], size: int = 32, seed: int = 0) -> None:
    """Videos whose classes differ only in the direction of the motion, with the official JSON files."""
    root.mkdir(parents=True, exist_ok=True)
    names = {template.replace("[", "").replace("]", ""): str(k) for k, template in enumerate(TEMPLATES)}
    (root / "something-something-v2-labels.json").write_text(json.dumps(names))
    for split, count in videos.items():
        rng, entries = np.random.default_rng([seed, split == "validation", 3]), []
        for video in range(count):
            name, label = f"{1000 * (split == 'validation') + video}", video % len(MOTIONS)
            write_video(root / f"{name}.mp4", draw_motion(rng, label, int(rng.integers(12, 24)), size), 12)
            entries.append({"id": name, "template": TEMPLATES[label]})
        (root / f"something-something-v2-{split}.json").write_text(json.dumps(entries))
