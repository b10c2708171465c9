"""videonet cam: Grad-CAM over a video, drawn into a copy of it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from videonet.cli.trained import add_trained, open_from

if TYPE_CHECKING:
    import torch

    from videonet.inference import Trained

EXAMPLES = {
    "cam": "examples:\n  videonet cam clip.mp4 --checkpoint output/demo/checkpoints/best --out cam.mp4\n"
    "  videonet cam clip.mp4 --checkpoint best --class 'pouring tea' --layer fast.res5 --out cam.mp4"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """VIDEO --checkpoint F [--class NAME] --out FILE."""
    parser.add_argument("video", help="the file to look at")
    parser.add_argument("--class", dest="name", default="", metavar="NAME", help="class; default: the likeliest")
    parser.add_argument("--layer", default="", metavar="L", help="default: the last map of every pathway")
    parser.add_argument("--out", required=True, metavar="FILE", help=".mp4 with the frames of the video")
    add_trained(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find the evidence for the class in the whole video, then draw it."""
    from videonet.cli.predict import is_stream

    if is_stream(args.video):
        raise ValueError(f"cam reads a video twice, so it takes a file, not {args.video}")
    trained = open_from(args).named()
    label = trained.label(args.name) if args.name else likeliest(trained, args.video)
    starts, heat, window = gather_heat(trained, args.video, label, args.layer)
    peak = float(heat.max())
    if peak <= 0:
        print(f"{args.video}: nothing in it speaks for {trained.classes[label]!r}, so it stays cold", file=sys.stderr)
    heat = (heat / max(peak, 1e-12)).clamp(min=0)
    frames = draw(args.video, args.out, starts, heat, window, trained.classes[label])
    print(f"{args.out}: {frames} frames, evidence for {trained.classes[label]!r}")
    return 0


def likeliest(trained: Trained, video: str) -> int:
    """The class that the config's test of the video puts first."""
    from videonet.data.clips import view_clips

    with trained.open(video) as opened:
        item = trained.clips().read(opened)
    views = view_clips({**item, "index": 0}, trained.cfg.TEST.BATCH_SIZE, trained.device)
    return int(trained.join(trained.scores(views)).argmax())


def gather_heat(trained: Trained, video: str, label: int, layer: str) -> tuple[list[float], torch.Tensor, float]:
    """Seconds at which clips end to end start, their evidence (clips, T', H', W'), and the seconds of each."""
    import torch

    from videonet.data.playback import Playback
    from videonet.visualize.grad_cam import GradCam

    cam = GradCam(trained.model, layer)
    starts, found = [], []
    with Playback(video) as playback:
        window = max(trained.seconds, 1 / playback.fps)
        for span in trained.spans(playback, window=window, stride=window, views=1):
            starts.append(span.start)
            found.append(cam(trained.prepare(span.clips()), label).cpu())
    return starts, torch.cat(found), window


def draw(video: str, out: str, starts: list[float], heat: torch.Tensor, window: float, name: str) -> int:
    """Write every frame with its heat; how many there were."""
    from videonet.data.decoders.screen import Screen
    from videonet.data.playback import Playback
    from videonet.visualize.drawing import draw_heat, draw_text
    from videonet.visualize.movie import Movie

    count = 0
    with Playback(video) as playback, Movie(out, *playback.shape, playback.fps) as movie:
        screen = Screen(None, playback.shape)
        for _, seconds, picture in playback:
            count += 1
            frame = draw_heat(screen.show(picture), heat_at(seconds, starts, heat, window))
            movie.write(draw_text(frame, name), seconds)
    return count


def heat_at(seconds: float, starts: list[float], heat: torch.Tensor, window: float) -> torch.Tensor:
    """The heat (H', W') of a moment, between the two nearest positions of the clip that shows it."""
    from bisect import bisect_right

    clip = max(bisect_right(starts, seconds + 1e-6) - 1, 0)
    place = (seconds - starts[clip]) / window * heat.shape[1] - 0.5
    place = min(max(place, 0.0), heat.shape[1] - 1.0)
    low = int(place)
    high = min(low + 1, heat.shape[1] - 1)
    return heat[clip, low].lerp(heat[clip, high], place - low)
