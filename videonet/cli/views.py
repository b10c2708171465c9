"""The frames and seconds of each view and pathway that a config takes from a video, and a contact sheet of them."""

from __future__ import annotations

from typing import Any

import numpy as np

SHEET_FRAMES = 16  # frames of a view on the contact sheet


def show_views(cfg: Any, path: str, out: str | None = None) -> dict:
    """num_frames, fps, size and the views (training draw, validation, test) of a video; a contact sheet to `out`."""
    from videonet.build import build_rules
    from videonet.data.video import Video

    frames, rate = cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE
    rules = build_rules(cfg)
    with Video(path, cfg.DATA.DECODING_BACKEND) as video:
        total, fps = video.num_frames, video.fps
        rng = np.random.default_rng(cfg.SEED)
        rows = [("train (one draw)", rules.train(rng, total, fps, frames, rate))]
        rows += [("validation", rules.val(total, fps, frames, rate)[0])]
        views = cfg.TEST.NUM_ENSEMBLE_VIEWS
        tests = rules.test(total, fps, frames, rate, views=views)
        rows += [(f"test {i + 1} of {views} x {cfg.TEST.NUM_SPATIAL_CROPS}", one) for i, one in enumerate(tests)]
        alpha = cfg.MODEL.get("ALPHA", 0)
        if alpha:
            rows = [pair for name, index in rows for pair in ((name, index), (f"{name}, slow", slow(index, alpha)))]
        if out:
            draw_sheet(video, [(name, index) for name, index in rows], out)
        return {
            "num_frames": total,
            "fps": fps,
            "height": video.height,
            "width": video.width,
            "views": [describe(name, index, video.times) for name, index in rows],
        }


def slow(index: np.ndarray, alpha: int) -> np.ndarray:
    """The frames of the slow pathway of SlowFast."""
    return index[np.linspace(0, len(index) - 1, len(index) // alpha).astype(int)]


def describe(name: str, index: np.ndarray, times: np.ndarray) -> dict:
    """One view: its frame numbers and the seconds of the first and last."""
    start, end = float(times[index[0]]), float(times[index[-1]])
    return {"name": name, "start_s": round(start, 4), "end_s": round(end, 4), "frames": index.tolist()}


def draw_sheet(video: Any, rows: list[tuple[str, np.ndarray]], out: str) -> None:
    """A picture with one row of frames a view."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from videonet.data.transforms import whole

    shown = [index[np.linspace(0, len(index) - 1, min(SHEET_FRAMES, len(index))).astype(int)] for _, index in rows]
    clips = video.read_many([(index, whole(video.height, video.width, 96)) for index in shown])
    figure = Figure(figsize=(SHEET_FRAMES, 1.25 * len(rows)))
    FigureCanvasAgg(figure)
    for number, ((name, _), index, clip) in enumerate(zip(rows, shown, clips)):
        for column, (frame, image) in enumerate(zip(index, clip.numpy())):
            axes = figure.add_subplot(len(rows), SHEET_FRAMES, number * SHEET_FRAMES + column + 1)
            axes.imshow(image)
            axes.set_axis_off()
            axes.set_title(f"{name}\n{frame}" if column == 0 else str(frame), fontsize=6)
    figure.tight_layout(pad=0.2)
    figure.savefig(out, dpi=100)
