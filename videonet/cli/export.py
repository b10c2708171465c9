"""videonet export: a network as a program, checked against the network that it was made of."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from videonet.cli.trained import add_trained, open_from

if TYPE_CHECKING:
    from videonet.inference import Trained

EXAMPLES = {
    "export": "examples:\n  videonet export --checkpoint output/demo/checkpoints/best --format torch --out demo.pt2\n"
    "  videonet export --model x3d_m --checkpoint x3d_m.pyth --format onnx --out x3d_m.onnx\n"
    "  videonet export --model slowfast_8x8_r50 --format onnx --out fresh.onnx   (without weights)"
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """--checkpoint F | --model NAME --format torch|onnx --out FILE."""
    parser.add_argument("--format", required=True, choices=("torch", "onnx"), help=".pt2 of torch.export, or ONNX")
    parser.add_argument("--out", required=True, metavar="FILE", help="and beside it FILE.json: classes, input, pixels")
    parser.add_argument("--size", type=int, default=0, metavar="PIXELS", help="side of the clips; default: test crop")
    add_trained(parser, required=False)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the program and what it takes, run it on clips, and fail if its logits are not the network's."""
    import torch

    from videonet.models.heads import Roi
    from videonet.models.program import FORMATS, example, relative_error

    trained = open_from(args)
    trained.model.to(memory_format=torch.contiguous_format)  # the order of weights in memory is no part of a program
    size = input_of(trained, args.size)
    people = 3 if isinstance(trained.model.head, Roi) else 0
    save, load, limit = FORMATS[args.format]
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(trained.model, example(size, people=people, device=trained.device), out)
    program = load(out)
    batches = [example(size, batch=batch, people=people, device=trained.device) for batch in (1, 2, 5)]
    worst = max(relative_error(trained.model, program, inputs) for inputs in batches)
    out.with_name(f"{out.name}.json").write_text(json.dumps(card(trained, size, people), indent=1), encoding="utf-8")
    megabytes = out.stat().st_size / 1e6
    print(f"{out}: {megabytes:.1f} MB, clip (batch, {', '.join(map(str, size))}){', boxes (people, 5)' * bool(people)}")
    print(f"max relative error against the network, batches of 1, 2 and 5: {worst:.1e} (limit {limit:.0e})")
    if worst > limit:
        print(f"videonet: {out} does not compute what the network does; do not use it", file=sys.stderr)
        return 1
    return 0


def input_of(trained: Trained, side: int) -> list[int]:
    """Sizes of one item: 3, frames, height, width."""
    shape = trained.shape
    side = side or shape.size
    return [3, side, side] if trained.images else [3, shape.frames, side, side]


def card(trained: Trained, size: list[int], people: int) -> dict[str, object]:
    """What somebody who runs the program must know."""
    data = trained.cfg.DATA
    return {
        "network": trained.cfg.MODEL.NAME,
        "inputs": {"clip": ["batch", *size]} | ({"boxes": ["people", "item x1 y1 x2 y2 in pixels"]} if people else {}),
        "output": f"logits; {trained.model.activation} makes scores of them",
        "classes": list(trained.classes),
        "channels": "BGR" if data.REVERSE_INPUT_CHANNEL else "RGB",
        "mean": list(data.MEAN),
        "std": list(data.STD),
        "sampling_rate": data.SAMPLING_RATE,
        "target_fps": data.TARGET_FPS,
    }
