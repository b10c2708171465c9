"""videonet features: what a layer says about every window of every video, in one .npy a video."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videonet.cli.trained import add_spans, add_trained, open_from, seconds_of
from videonet.cli.video_list import videos_of

if TYPE_CHECKING:
    from videonet.inference import Trained
    from videonet.models.features import Features

EXAMPLES = {
    "features": "examples:\n  videonet features clip.mp4 --checkpoint best --layer list\n"
    "  videonet features videos.txt --checkpoint best --layer pool --window 2 --stride 1 --out features/\n"
    "  videonet features *.mp4 --checkpoint k400.pyth --model slowfast_8x8_r50 --layer fast.res5 --out features/"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """LIST or VIDEO ... --checkpoint F --layer L --out DIR."""
    parser.add_argument("video", nargs="*", metavar="LIST | VIDEO", help="videos, or text files with one path a line")
    parser.add_argument(
        "--layer",
        default="pool",
        metavar="L",
        help="pool (what the head's linear layer takes), res2 .. res5, slow.res5 ...; list prints all with shapes",
    )
    parser.add_argument("--out", metavar="DIR", help="NAME.npy (rows, channels) and NAME.json (seconds, frames)")
    add_spans(parser)
    parser.add_argument("--views", type=int, default=0, metavar="N", help="clips of a window; default: as fit in it")
    add_trained(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the features of every video that has none yet."""
    trained = open_from(args)
    if args.layer == "list":
        return print_layers(trained)
    if not args.out or not args.video:
        raise ValueError("features needs videos and --out DIR; --layer list only names the layers")
    from videonet.result import digest

    window, stride = seconds_of(args, trained)
    made_by = {"layer": args.layer, "window": window, "stride": stride, "views": args.views}
    made_by["checkpoint_sha256"] = digest(Path(args.checkpoint))
    videos = videos_of(args.video)
    todo = {name: video for name, video in videos.items() if not is_finished(Path(args.out) / f"{name}.npy", made_by)}
    failed = write_all(Path(args.out), todo, trained, made_by)
    print(f"{len(todo) - len(failed)} videos written, {len(videos) - len(todo)} were finished before")
    if failed:
        raise ValueError(f"{len(failed)} of {len(videos)} videos could not be read; the first: {failed[0]}")
    return 0


def write_all(folder: Path, videos: dict[str, str], trained: Trained, made_by: dict[str, Any]) -> list[str]:
    """The features of videos; what is wrong with those that cannot be read."""
    from videonet.data.sampling import ShortVideo
    from videonet.data.video import VideoError
    from videonet.models.features import Features

    features, failed = Features(trained.model, made_by["layer"]), []
    for name, video in videos.items():
        path = folder / f"{name}.npy"
        try:
            rows, channels = write_features(path, video, features, trained, made_by)
        except (VideoError, ShortVideo) as error:
            if len(videos) == 1:
                raise
            failed.append(str(error))
            print(f"videonet: {error}", file=sys.stderr)
        else:
            print(f"{path}: {rows} rows of {channels}", flush=True)
    return failed


def print_layers(trained: Trained) -> int:
    """Every layer and the shape that it gives of one clip."""
    import torch

    from videonet.models.features import layer_shapes

    shape = trained.shape
    clip = trained.prepare(torch.zeros(1, shape.frames, shape.size, shape.size, 3, dtype=torch.uint8))
    for name, size in layer_shapes(trained.model, clip).items():
        print(f"{name:<40} {' x '.join(map(str, size))}")
    return 0


def is_finished(path: Path, made_by: dict[str, Any]) -> bool:
    """Whether a video has its features, made the same way; the .json is written last."""
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return path.is_file() and {key: said.get(key) for key in made_by} == made_by


def write_features(
    path: Path, video: str, features: Features, trained: Trained, made_by: dict[str, Any]
) -> tuple[int, int]:
    """One row a window; (rows, channels). The files have their names only when they are whole."""
    import torch

    from videonet.data.playback import Playback
    from videonet.data.spans import batched

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with Playback(video) as playback, RowFile(path) as file:
        times = {"window": made_by["window"], "stride": made_by["stride"], "views": made_by["views"]}
        views = made_by["views"] or max(1, round(made_by["window"] / trained.seconds))
        for group in batched(trained.spans(playback, **times), max(1, trained.cfg.TEST.BATCH_SIZE // views)):
            clips = torch.cat([clip for span in group for clip in trained.views(span)])
            values = features(trained.prepare(clips)).unflatten(0, (len(group), views)).mean(1)
            file.append(values.cpu().numpy())
            rows += [
                {"start": round(span.start, 4), "end": round(span.end, 4), "frames": span.ids.tolist()}
                for span in group
            ]
        report = {"video": video, "fps": playback.fps, "channels": file.channels, **made_by, "rows": rows}
    temporary = path.with_name(f".{path.stem}.json.tmp")
    temporary.write_text(json.dumps(report), encoding="utf-8")
    temporary.replace(path.with_suffix(".json"))
    return len(rows), file.channels


class RowFile:
    """A .npy file of float32 rows that grows on the disk; it gets its name when all rows are in it."""

    def __init__(self, path: Path) -> None:
        self.path, self.temporary = path, path.with_name(f".{path.name}.tmp")
        self.rows, self.channels = 0, 0

    def append(self, values: np.ndarray) -> None:
        """Add rows (n, channels)."""
        self.channels = values.shape[1]
        if not self.rows:
            self._file.write(self._header())
        self.rows += len(values)
        self._file.write(np.ascontiguousarray(values, "<f4").tobytes())

    def _header(self) -> bytes:
        """The header for the rows so far; numpy leaves room in it for any number of rows."""
        buffer = io.BytesIO()
        form = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.channels)}
        np.lib.format.write_array_header_1_0(buffer, form)
        return buffer.getvalue()

    def __enter__(self) -> RowFile:
        self._file = open(self.temporary, "wb")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._file.seek(0)
            self._file.write(self._header())
        self._file.close()
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink()
