"""A small detection set: bright squares, discs and triangles on a grey ground, and its average precision."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import torch
from torch import nn

CLASSES = 3
Example = tuple[torch.Tensor, dict[str, torch.Tensor]]


def draw_int(rng: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (1,), generator=rng))


def outline(kind: int, side: int) -> torch.Tensor:
    """Which pixels of a square belong to the shape: 0 square, 1 disc, 2 triangle."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    middle = (side - 1) / 2
    disc = (y - middle) ** 2 + (x - middle) ** 2 <= (side / 2) ** 2
    return (torch.ones(side, side, dtype=torch.bool), disc, (x - middle).abs() * 2 <= y + 1)[kind]


def example(rng: torch.Generator, side: int = 96) -> Example:
    """An image (3, side, side) in [0, 1] with one to three shapes apart, and its boxes and labels (from 1)."""
    image, boxes, labels = 0.3 + 0.1 * torch.rand(3, side, side, generator=rng), [], []
    for _ in range(draw_int(rng, 1, 4)):
        size, kind = draw_int(rng, 14, 40), draw_int(rng, 0, CLASSES)
        x, y = draw_int(rng, 0, side - size), draw_int(rng, 0, side - size)
        if any(x < b[2] + 2 and b[0] < x + size + 2 and y < b[3] + 2 and b[1] < y + size + 2 for b in boxes):
            continue
        color = torch.rand(3, 1, generator=rng)
        color[draw_int(rng, 0, 3)] = 1.0
        image[:, y : y + size, x : x + size][:, outline(kind, size)] = color
        boxes.append((x, y, x + size, y + size))
        labels.append(kind + 1)
    return image, {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def examples(count: int, seed: int) -> list[Example]:
    """That many examples of a seed."""
    rng = torch.Generator().manual_seed(seed)
    return [example(rng) for _ in range(count)]


def box_of(corners: Sequence[float]) -> list[float]:
    """[x1, y1, x2, y2] as [x, y, width, height]."""
    return [corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]]


@torch.no_grad()
def average_precision(model: nn.Module, data: Sequence[Example]) -> tuple[float, float]:
    """COCO's AP and AP at an overlap of one half, by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    model.eval()
    true, found = [], []
    for i, (image, target) in enumerate(data):
        for corners, label in zip(target["boxes"].tolist(), target["labels"].tolist()):
            box = box_of(corners)
            common = {"image_id": i, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            true.append({"id": len(true) + 1, **common})
        result = model([image])[0]
        for corners, label, score in zip(*(result[key].tolist() for key in ("boxes", "labels", "scores"))):
            found.append({"image_id": i, "category_id": label, "bbox": box_of(corners), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        categories = [{"id": k + 1} for k in range(CLASSES)]
        images = [{"id": i} for i in range(len(data))]
        coco.dataset = {"info": {}, "images": images, "categories": categories, "annotations": true}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])
