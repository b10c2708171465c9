"""Start: what a network takes over from a file before it is trained, of its own kind or of an image network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from videonet.models.checkpoint import WeightsError, read_weights, state_of
from videonet.models.inflate import COUNTER, image_name, inflate
from videonet.models.weights import ENOUGH, load_weights, shape_text

SHOWN, NAMED = 10, 5  # lines of a kind in a report; tensors in an error
HEAD = "head."


@dataclass(frozen=True)
class Start:
    """What `start` or `start_inflated` did.

    source, file: where the weights are from. loaded: keys of the network that were filled, of which `inflated` got a
    time axis, spread by `how`. renamed: of the file's keys, how many have another name here. matched: the share that
    must be high. head: lines about the head where it starts afresh. fresh: about anything else that does. unused: the
    file's keys without a place. note: what to know about the source. facts: see `Report`, of a network of one's own
    kind.
    """

    source: str
    file: str
    loaded: Sequence[str]
    renamed: int
    matched: float
    inflated: Sequence[str] = ()
    how: str = ""
    head: Sequence[str] = ()
    fresh: Sequence[str] = ()
    unused: Sequence[str] = field(default_factory=tuple)
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = [f"{len(self.loaded)} tensors loaded ({self.matched:.1%} matched)", f"{self.renamed} renamed"]
        if self.how:
            counts.append(f"{len(self.inflated)} inflated ({self.how})")
        counts += [f"{len(self.head)} of the head re-initialised", f"{len(self.fresh)} others start afresh"]
        lines = [f"start from {self.file} ({self.source}), epoch 0: {', '.join(counts)}, {len(self.unused)} unused"]
        for name, items in (("re-initialised", self.head), ("afresh", self.fresh), ("unused", self.unused)):
            lines += [f"  {name} {item}" for item in items[:SHOWN]]
            lines += [f"  {name}: {len(items) - SHOWN} more"] if len(items) > SHOWN else []
        return "\n".join(lines + ([f"  note: {self.note}"] if self.note else []))


def start(
    model: nn.Module,
    weights: str | Path | Mapping[str, Any],
    *,
    name: str = "",
    classes: Sequence[str] = (),
    theirs: Sequence[str] = (),
) -> Start:
    """Fill a network from weights of its own kind; a head of other classes stays as it is.

    name: of the weights in messages. classes, theirs: names of the network's classes and of the file's, () where nobody
    knows them; as many classes with other names are other classes too. Under 90 % of the network filled is a
    WeightsError.
    """
    differ = first_difference(theirs, classes)
    state = model.state_dict()
    own = {key: value.clone() for key, value in state.items() if differ and of_classes(key, value, classes)}
    report = load_weights(model, weights, strict=False, name=name)
    model.load_state_dict(own, strict=False)
    shapes = {key: (shape_text(ours), shape_text(theirs)) for key, theirs, ours in report.mismatched}
    lines = {key: f"{key}: {ours} here, {theirs} in the file" for key, (ours, theirs) in shapes.items()}
    lines |= {key: f"{key}: not in the file" for key in report.missing}
    named = f"other classes, the file's {differ[0]!r} is {differ[1]!r} here" if differ else ""
    lines |= {key: f"{key}: {named}" for key in own if key in report.loaded}
    return Start(
        report.source,
        report.file,
        [key for key in report.loaded if key not in own],
        len(report.renamed),
        report.matched,
        head=[line for key, line in lines.items() if key.startswith(HEAD)],
        fresh=[line for key, line in lines.items() if not key.startswith(HEAD)],
        unused=report.left_out,
        note=report.note,
        facts=report.facts,
    )


def first_difference(theirs: Sequence[str], ours: Sequence[str]) -> tuple[str, ...]:
    """The first pair of class names that are not the same, () where there is none."""
    return next((pair for pair in zip(theirs, ours) if pair[0] != pair[1]), ())


def of_classes(key: str, value: torch.Tensor, classes: Sequence[str]) -> bool:
    """Whether a tensor of the head has one row a class."""
    return key.startswith(HEAD) and value.shape[:1] == (len(classes),)


def start_inflated(
    model: nn.Module, weights: str | Path | Mapping[str, Any], image: nn.Module, how: str, *, name: str = ""
) -> Start:
    """Fill a network for clips from the weights of its image network, whose head is left out.

    image: the backbone of the image network, which is filled too. how: "center" or "mean" (see `inflate`). The two
    pathways of a SlowFast are filled where shapes allow. Under 90 % of the image network in use is a WeightsError.
    """
    name = name or ("the state dict" if isinstance(weights, Mapping) else str(weights))
    state = still_weights(weights if isinstance(weights, Mapping) else read_weights(weights), name)
    source = load_weights(image, state, strict=False, name=name)
    done = inflate(image.state_dict(), model, how)
    loaded = [key for key in (*done.inflated, *done.copied) if not key.endswith(COUNTER)]
    used = {image_name(key) for key in loaded}
    wanted = {key for key in image.state_dict() if not key.endswith(COUNTER)}
    reasons = done.skipped | dict.fromkeys(done.missing, "not in the image network")
    lines = {key: f"{key}: {reason}" for key, reason in reasons.items() if not key.endswith(COUNTER)}
    fresh = [line for key, line in lines.items() if not key.startswith(HEAD)]
    if len(used) < ENOUGH * len(wanted):
        raise WeightsError(
            f"{name}: {len(used)} of the image network's {len(wanted)} tensors have a place in this one, so it is "
            f"another network's (start from the one that MODEL is made of): {'; '.join(fresh[:NAMED])}"
        )
    theirs = {ours: key for key, ours in source.renamed.items()}
    placed = {theirs.get(key, key) for key in used}
    return Start(
        source.source,
        name,
        loaded,
        len(source.renamed),
        len(used) / len(wanted),
        inflated=done.inflated,
        how=how,
        head=[line for key, line in lines.items() if key.startswith(HEAD)],
        fresh=fresh,
        unused=[key for key in state if key not in placed and not key.endswith(COUNTER)],
        note=source.note,
    )


def still_weights(content: Mapping[str, Any], name: str) -> dict[str, torch.Tensor]:
    """The tensors of an image network's file; WeightsError where they have a time axis already."""
    try:
        state = state_of(content)
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}") from None
    moving = [key for key, tensor in state.items() if tensor.dim() == 5 and tensor.shape[2] > 1]
    if moving:
        example = f"{moving[0]} ({shape_text(tuple(state[moving[0]].shape))})"
        raise WeightsError(
            f"{name}: {len(moving)} kernels have a time axis, such as {example}: these are a video network's "
            "weights, so leave TRAIN.INFLATE empty"
        )
    return state
