"""What an expansion leaves: path.jsonl, a line for each trained network, and path.png, score over multiply-adds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from expansion import AXES, Step


def rows(steps: Sequence[Step], metric: str) -> Iterator[dict]:
    """The trials of all steps, in order; `kept` marks the path."""
    for step in steps:
        for trial in step.trials:
            yield {
                "step": step.number,
                "kind": step.kind,
                "axis": trial.axis,
                "factors": asdict(trial.factors),
                "params": trial.params,
                "gmacs": trial.gmacs,
                metric: trial.score,
                "kept": trial is step.kept,
            }


def write_path(steps: Sequence[Step], metric: str, folder: Path) -> None:
    """Write path.jsonl and path.png, whole, after every step."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "path.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(steps, metric)))
    draw_path(steps, metric, folder / "path.png")


def draw_path(steps: Sequence[Step], metric: str, path: Path) -> None:
    """Candidates as points, coloured by axis, and the chosen path as a line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    trials = [trial for step in steps for trial in step.trials]
    for axis in AXES:
        points = [(trial.gmacs, trial.score) for trial in trials if trial.axis == axis]
        if points:
            axes.scatter(*zip(*points), s=24, label=axis)
    kept = [step.kept for step in steps]
    axes.plot([k.gmacs for k in kept], [k.score for k in kept], "k-", marker="o", fillstyle="none", label="path")
    axes.set_xscale("log", base=2)
    doublings = range(math.ceil(math.log2(max(trial.gmacs for trial in trials) / kept[0].gmacs)) + 1)
    axes.set_xticks([kept[0].gmacs * 2**i for i in doublings])
    axes.xaxis.set_major_formatter("{x:.2g}")
    axes.set(xlabel="GMACs", ylabel=metric)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
