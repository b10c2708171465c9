"""videonet predict: what happens in a video, by name; with --window, what happens when."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from videonet.cli.trained import add_spans, add_trained, open_from, seconds_of

if TYPE_CHECKING:
    from videonet.inference import Trained

EXAMPLES = {
    "predict": "examples:\n  videonet predict clip.mp4 --checkpoint output/demo/checkpoints/best\n"
    "  videonet predict *.mp4 --checkpoint k400.pyth --model slowfast_8x8_r50 --classes k400.txt --json\n"
    "  videonet predict long.mp4 --checkpoint best --window 2 --stride 0.5 > rows.jsonl\n"
    "  videonet predict rtsp://camera/stream --checkpoint best --window 2\n"
    "  ffmpeg -f v4l2 -i /dev/video0 -f mpegts - | videonet predict - --checkpoint best --live"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """VIDEO ... --checkpoint F."""
    parser.add_argument("video", nargs="+", help="files, stream addresses, camera:0, or - for what is piped in")
    parser.add_argument("--topk", type=int, default=5, metavar="K", help="classes to name (5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    add_spans(parser)
    parser.add_argument("--views", type=int, default=0, metavar="N", help="clips; default: as the config tests")
    parser.add_argument("--crops", type=int, default=0, choices=(1, 3), help="crops; default: as the config tests")
    parser.add_argument("--live", action="store_true", help="drop rows that come too late (streams and cameras do)")
    add_trained(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the classes of each video, or a JSON line for each window of it."""
    from videonet.data.sampling import ShortVideo
    from videonet.data.video import VideoError

    if args.topk < 1:
        raise ValueError(f"--topk is {args.topk}; it must be at least 1")
    trained = open_from(args).named()
    failed = []
    for video in args.video:
        try:
            if args.window or args.stride or args.live or is_stream(video):
                predict_spans(args, trained, video)
            else:
                predict_whole(args, trained, video)
        except (VideoError, ShortVideo) as error:
            if len(args.video) == 1:
                raise
            failed.append(str(error))
            print(f"videonet: {error}", file=sys.stderr)
    if failed:
        raise ValueError(f"{len(failed)} of {len(args.video)} videos could not be read; the first: {failed[0]}")
    return 0


def is_stream(video: str) -> bool:
    """Whether a video is read as it comes, so that only windows of it can be told about."""
    from videonet.data.playback import is_live

    return video == "-" or is_live(video)


def predict_whole(args: argparse.Namespace, trained: Trained, video: str) -> None:
    """One answer for a video, from all views of the config's test."""
    from videonet.data.clips import view_clips

    clips = trained.clips(args.views, args.crops)
    with trained.open(video) as opened:
        item = clips.read(opened)
    scores = trained.scores(view_clips({**item, "index": 0}, trained.cfg.TEST.BATCH_SIZE, trained.device))
    top = trained.top(trained.join(scores), args.topk)
    if args.json:
        print(json.dumps({"video": video, "views": len(scores), "top": top}), flush=True)
        return
    if len(args.video) > 1:
        print(video)
    for row in top:
        print(f"{row['score']:.4f}  {row['class']}", flush=True)


def predict_spans(args: argparse.Namespace, trained: Trained, video: str) -> None:
    """A JSON line for each window, as soon as it is over; at the end how long that took, on stderr."""
    from videonet.data.playback import Newest, Playback

    window, stride = seconds_of(args, trained)
    playback, late, dropped = Playback(video), [], ""
    live = args.live or playback.live
    found = trained.spans(playback, window=window, stride=stride, views=args.views)
    source = Newest(found) if live else found
    try:
        for span in source:
            top = trained.top(trained.join(trained.scores(trained.views(span, args.crops or 1))), args.topk)
            late.append(1000 * (time.perf_counter() - span.arrived))
            row = {"video": video, "start": round(span.start, 3), "end": round(span.end, 3), "top": top}
            print(json.dumps(row), flush=True)
    finally:
        if live:  # the thread that reads ends with the process
            dropped = f", {source.dropped} dropped"
        else:
            playback.close()
        p50, p95 = quantile(late, 0.5), quantile(late, 0.95)
        print(f"{len(late)} windows, latency p50 {p50:.0f} ms, p95 {p95:.0f} ms{dropped}", file=sys.stderr)


def quantile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
