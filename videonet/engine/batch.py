"""Parts of a batch. A batch is a dict: keys that begin with `box` have one row a box; of the others, what has one row a
clip is divided and the rest (a note of the loader) goes to every part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


def clips(batch: Mapping) -> int:
    """How many clips a batch has."""
    return len(batch["clip"])


def split(batch: Mapping, parts: int) -> Iterator[dict]:
    """The batch in at most `parts` smaller ones of nearly equal size (views, no copies), boxes re-numbered."""
    size = clips(batch)
    parts = min(parts, size)
    if parts == 1:
        yield dict(batch)
        return
    edges = [size * number // parts for number in range(parts + 1)]
    for start, stop in zip(edges, edges[1:]):
        part = {key: _rows(value, size, start, stop) for key, value in batch.items() if not key.startswith("box")}
        if "boxes" in batch:
            owner = batch["boxes"][:, 0]
            chosen = ((owner >= start) & (owner < stop)).nonzero().flatten()
            part.update({key: rows[chosen] for key, rows in batch.items() if key.startswith("box")})
            shift = torch.zeros(5)
            shift[0] = start
            part["boxes"] = part["boxes"] - shift
        yield part


def _rows(value: object, size: int, start: int, stop: int) -> object:
    divided = (
        len(value) == size if isinstance(value, (list, tuple)) or (isinstance(value, Tensor) and value.ndim) else False
    )
    return value[start:stop] if divided else value


@contextmanager
def advice_on_memory(batch: Mapping, parts: int) -> Iterator[None]:
    """What to do where a batch that goes through the model in `parts` does not fit into the memory of the device.

    Raises:
        ValueError: in place of torch's OutOfMemoryError.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        many, shape = -(-clips(batch) // parts), tuple(batch["clip"].shape[1:])
        reason = str(error).splitlines()[0][:200]
        raise ValueError(
            f"the device has too little memory for {many} clips of {shape} at once: try TRAIN.ACCUMULATE {2 * parts} "
            f"(the same result), TRAIN.PRECISION bf16, or half of TRAIN.BATCH_SIZE; {reason}"
        ) from error
