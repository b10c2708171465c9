"""videonet detect: what each person in a video does, as a list and drawn into a copy of the video."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videonet.cli.trained import add_trained, open_from

if TYPE_CHECKING:
    import torch

    from videonet.data.boxes import Boxes
    from videonet.data.video import Video
    from videonet.inference import Trained
    from videonet.models.detector import Detector

EXAMPLES = {
    "detect": "examples:\n  videonet detect clip.mp4 --checkpoint ava.pt --boxes people.csv --out output/clip\n"
    "  videonet detect clip.mp4 --checkpoint ava.pt --detector torchvision \\\n"
    "    --detector-weights fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth --every 0.5 --out output/clip\n"
    "  videonet detect clip.mp4 --checkpoint ava.pt --detector mine:find_people --out output/clip"
}
BOXES_HELP = (
    "people, by any detector or tracker: a CSV with the header video,t_sec,x1,y1,x2,y2,label[,score][,person], "
    "fractions of the frame, label empty; person ids are passed on"
)
DETECTOR_HELP = (
    "find the people: torchvision (needs --detector-weights), or module:function of yours, from a frame uint8 "
    "(H, W, 3) to boxes (n, 4) in pixels and scores (n,)"
)
NO_PEOPLE = (
    "say where the people are: --boxes CSV, or --detector torchvision with --detector-weights F. Nothing is "
    "downloaded; torchvision's page of detection models has the files (COCO weights)"
)


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """VIDEO --checkpoint F (--boxes CSV | --detector torchvision) --out DIR."""
    parser.add_argument("video", help="the file to look at")
    parser.add_argument("--boxes", default="", metavar="CSV", help=BOXES_HELP)
    parser.add_argument("--detector", default="", metavar="NAME", help=DETECTOR_HELP)
    parser.add_argument("--detector-weights", default="", metavar="F", help="weight file of torchvision, COCO classes")
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="seconds between detections (1)")
    parser.add_argument("--least", type=float, default=0.8, metavar="P", help="score of a person to be kept (0.8)")
    parser.add_argument("--min-score", type=float, default=0.01, metavar="P", help="of an action to be listed (0.01)")
    parser.add_argument("--out", required=True, metavar="DIR", help="NAME.csv (boxes and actions) and NAME.mp4")
    add_trained(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find or read the people, score their actions, write the list and the video."""
    from videonet.data.box_list import write_box_list
    from videonet.models.heads import Roi

    if bool(args.boxes) == bool(args.detector):
        raise ValueError(NO_PEOPLE if not args.boxes else "give --boxes or --detector, not both")
    if args.every <= 0:
        raise ValueError(f"--every is {args.every:g}; it must be seconds above 0")
    trained = open_from(args).named()
    if not isinstance(trained.model.head, Roi):
        raise ValueError(
            f"{args.checkpoint} has no head for boxes (HEAD.NAME roi); `videonet predict` names whole clips"
        )
    with trained.open(args.video) as video:
        people = listed(args.boxes, args.video) if args.boxes else detected(video, detector_of(args), args.every)
        scores = score(trained, video, people)
    found = with_actions(people, scores, trained.classes, args.min_score)
    folder, name = Path(args.out), Path(args.video).stem
    folder.mkdir(parents=True, exist_ok=True)
    write_box_list(folder / f"{name}.csv", found)
    frames = draw(args.video, folder / f"{name}.mp4", people, scores, trained.classes)
    print(
        f"{folder / name}.csv: {len(people)} boxes at {len(np.unique(people.time))} moments, {len(found.row)} actions"
    )
    print(f"{folder / name}.mp4: {frames} frames")
    return 0


def detector_of(args: argparse.Namespace) -> Detector:
    """torchvision's with the weights of a file, or a function of the user's by the name of its module."""
    if args.detector == "torchvision":
        if not args.detector_weights:
            raise ValueError(NO_PEOPLE)
        from videonet.distributed import device
        from videonet.models.detector import torchvision_detector

        return torchvision_detector(args.detector_weights, device(args.device or "auto"), least=args.least)
    module, _, function = args.detector.partition(":")
    sys.path.insert(0, "")  # a module in the working directory
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"--detector is {args.detector!r}; it must be torchvision, or module:function that Python can import "
            f"from here ({error})"
        ) from error
    finally:
        sys.path.remove("")


def listed(path: str, video: str) -> Boxes:
    """The boxes of a list that are about a video, named by its path, its file name or that without suffix."""
    from videonet.data.box_list import read_box_list

    boxes = read_box_list(path)
    names = {video, Path(video).name, Path(video).stem}
    mine = np.array([name in names for name in boxes.names()], bool)
    if not mine.any():
        there = ", ".join(boxes.names()[:5]) or "none"
        raise ValueError(f"{path}: no row is about {Path(video).name}; the videos in it: {there}")
    return boxes.take(np.flatnonzero(mine[boxes.video]))


def detected(video: Video, detector: Detector, every: float) -> Boxes:
    """The people that a detector sees in a frame every so many seconds, from the middle of the first stretch on."""
    from videonet.data.boxes import Boxes

    times, corners = [], []
    size = np.array([video.width, video.height] * 2)
    shown = video.times - video.times[0]
    for moment in np.arange(min(every, video.duration) / 2, video.duration, every):
        frame = video.read([int(np.abs(shown - moment).argmin())])[0]
        boxes, _ = detector(frame)
        times += [float(moment)] * len(boxes)
        corners += (boxes.numpy() / size).clip(0, 1).tolist()
    count = len(times)
    return Boxes(
        videos=np.array([Path(video.name).name.encode()], np.bytes_),
        video=np.zeros(count, np.int32),
        time=np.array(times),
        box=np.array(corners).reshape(-1, 4),
        person=np.array([b""] * count, np.bytes_),
        row=np.zeros(0, np.int32),
        label=np.zeros(0, np.int32),
        score=np.zeros(0, np.float32),
        empty=np.zeros(0, np.int64),
    )


def score(trained: Trained, video: Video, people: Boxes) -> torch.Tensor:
    """Probabilities of all actions for every box, from the clip around its moment. (boxes, classes)"""
    import torch

    from videonet.data import sampling, transforms

    data, shape = trained.cfg.DATA, trained.shape
    window = transforms.whole(video.height, video.width, shape.size)
    scale = torch.tensor([video.width, video.height] * 2)
    stretch = video.fps / data.TARGET_FPS if data.TARGET_FPS else 1.0
    shown = video.times - video.times[0]
    scores = torch.zeros(len(people), len(trained.classes))
    for moment in np.unique(people.time):
        if moment > shown[-1] + 1 / video.fps:
            raise ValueError(f"{video.name}: a box is at second {moment:g}, but the video ends at {shown[-1]:.2f}")
        centre = int(np.abs(shown - moment).argmin())
        indices = sampling.centred_clip(centre, shape.frames, int(shape.rate), video.num_frames, stretch=stretch)
        rows = np.flatnonzero(people.time == moment)
        boxes = transforms.move_boxes(torch.from_numpy(people.box[rows]).float() * scale, window)
        boxes = torch.nn.functional.pad(boxes, (1, 0)).to(trained.device)
        with torch.inference_mode():
            found = trained.model.scores(trained.prepare(video.read(indices, window)[None]), boxes)
        scores[rows] = found.float().cpu()
    return scores


def with_actions(people: Boxes, scores: torch.Tensor, classes: tuple[str, ...], least: float) -> Boxes:
    """The boxes with a row for each action of at least that score, and for the likeliest one in any case."""
    values = scores.numpy()
    listed_ = values >= least
    if len(values):
        listed_[np.arange(len(values)), values.argmax(1)] = True
    row, label = np.nonzero(listed_)
    return replace(
        people,
        row=row.astype(np.int32),
        label=label.astype(np.int32),
        score=values[row, label].astype(np.float32),
        classes=classes,
    )


def draw(path: str, out: Path, people: Boxes, scores: torch.Tensor, classes: tuple[str, ...]) -> int:
    """Write every frame with the boxes of the moment nearest to it; how many frames there were."""
    from videonet.data.decoders.screen import Screen
    from videonet.data.playback import Playback
    from videonet.visualize.drawing import draw_boxes
    from videonet.visualize.movie import Movie

    moments = np.unique(people.time)
    reach = np.median(np.diff(moments)) / 2 if len(moments) > 1 else 0.5
    names = [words(people.person[row].decode(), scores[row], classes) for row in range(len(people))]
    _, colours = np.unique(people.person, return_inverse=True)
    count = 0
    with Playback(path) as playback, Movie(out, *playback.shape, playback.fps) as movie:
        screen = Screen(None, playback.shape)
        scale = np.array([playback.shape[1], playback.shape[0]] * 2)
        for _, seconds, picture in playback:
            count += 1
            frame = screen.show(picture)
            nearest = moments[np.abs(moments - seconds).argmin()] if len(moments) else np.inf
            if abs(nearest - seconds) <= reach + 1e-6:
                rows = np.flatnonzero(people.time == nearest)
                frame = draw_boxes(frame, people.box[rows] * scale, [names[r] for r in rows], colours[rows].tolist())
            movie.write(frame, seconds)
    return count


def words(person: str, scores: torch.Tensor, classes: tuple[str, ...]) -> str:
    """What is written into a box: the person, and the likeliest actions, at most three."""
    values, labels = scores.topk(min(3, len(scores)))
    best = [(classes[i], v) for i, v in zip(labels.tolist(), values.tolist())]
    shown = [f"{name} {value:.2f}" for place, (name, value) in enumerate(best) if value >= 0.3 or not place]
    return "\n".join([f"person {person}"] * bool(person) + shown)
