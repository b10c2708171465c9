"""The confusion matrix as a picture: rows are the true classes, columns the predicted ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

LABELLED = 40  # with more classes their names cannot be read, so they are left out


def draw_confusion(counts: np.ndarray, classes: Sequence[str], path: str | Path) -> None:
    """Draw counts (classes, classes) as shares of each row; one image, so 400 classes cost no more than 10."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = counts.sum(1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    size = min(4 + 0.3 * len(classes), 14)
    figure = Figure(figsize=(size, size))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
    figure.colorbar(image, ax=axes, fraction=0.046, label="share of the class")
    axes.set(xlabel="predicted", ylabel="true")
    if len(classes) <= LABELLED:
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
