"""Weights into a network: a file of any known source is recognised by its keys, renamed, and filled in strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from videonet.models.checkpoint import WeightsError, read_weights, state_of
from videonet.models.names import TABLES
from videonet.models.names.table import Table

ENOUGH = 0.9
COUNTER = "num_batches_tracked"
UNUSED = ".unused."  # parts that the authors' files hold and no forward pass reads


@dataclass
class Report:
    """What became of every tensor of a file and of the network.

    source: where the file comes from; file: its name. loaded: keys of the network that were filled.
    renamed: foreign key -> ours, of those loaded. reshaped: loaded after 1x1 convolution <-> linear.
    left_out: the file's keys that the network has no place for. missing: the network's that the file lacks.
    mismatched: (our key, shape in the file, shape in the network). note: what to know about the source.
    facts: what the file does not say of its network: mean and std of the input, bn_eps, where the source has them.
    """

    source: str
    file: str = ""
    loaded: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    reshaped: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def matched(self) -> float:
        """The share of the network's tensors that were filled (counters of batches aside)."""
        total = len(self.loaded) + len(self.missing) + len(self.mismatched)
        return len(self.loaded) / max(1, total)

    def problems(self) -> list[str]:
        """One phrase for each tensor that did not find its place, shape mismatches first."""
        return [
            *(
                f"{key}: {shape_text(ours)} in the network, {shape_text(theirs)} in the file"
                for key, theirs, ours in self.mismatched
            ),
            *(f"{key}: not in the file" for key in self.missing),
            *(f"{key}: no place in the network" for key in self.left_out),
        ]

    def __str__(self) -> str:
        lines = [
            f"{self.file or 'weights'} ({self.source}): {len(self.loaded)} tensors loaded ({self.matched:.1%}), "
            f"{len(self.reshaped)} reshaped, {len(self.mismatched)} of another shape, {len(self.missing)} missing, "
            f"{len(self.left_out)} left out"
        ]
        lines += [f"  {line}" for line in self.problems()]
        return "\n".join(lines + ([f"  note: {self.note}"] if self.note else []))


def load_weights(
    model: nn.Module, path_or_dict: str | Path | Mapping[str, Any], *, strict: bool = True, name: str = ""
) -> Report:
    """Fill a network from a file (or a state dict) of any known source, and say what became of every tensor.

    strict: every tensor must find its place; False lets the rest stay as it was (a head of other classes, say).
    name: of a state dict in messages.
    Under 90 % of the network filled is an error in both cases, and so are kernels that lack their time axis. Errors
    are one line (`WeightsError`, a ValueError), and the network is then untouched.
    """
    is_dict = isinstance(path_or_dict, Mapping)
    name = name or ("the state dict" if is_dict else str(path_or_dict))
    content = path_or_dict if is_dict else read_weights(path_or_dict)
    try:
        state = state_of(content)
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}") from None
    renamed, report = match_state(model, state)
    report.file = name
    report.note = "; ".join(filter(None, (report.note, epsilon_note(model, report.facts))))
    check_report(report, strict)
    fill(model, renamed)
    return report


def epsilon_note(model: nn.Module, facts: Mapping[str, Any]) -> str:
    """A warning where the norms' epsilon is another than the source's, which changes outputs a little."""
    found = {m.eps for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    wanted = facts.get("bn_eps")
    if wanted is None or found <= {wanted}:
        return ""
    return f"the source's norms have an epsilon of {wanted:g}, the network's {max(found):g} (BN.EPS in a config)"


def match_state(model: nn.Module, state: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], Report]:
    """The tensors of `state` under the network's names and in its shapes, and the report; nothing is filled in."""
    wanted = {k: v for k, v in model.state_dict().items() if not k.endswith(COUNTER)}
    state = fold_split_norms(state)
    best: tuple[dict[str, torch.Tensor], Report] | None = None
    for table in TABLES:
        if table.matches(state):
            found = place(table, state, wanted)
            if best is None or len(found[1].loaded) > len(best[1].loaded):
                best = found
    if best is None:
        best = place(Table("an unknown source", mark="", rules=()), state, wanted)
    return best


def place(
    table: Table, state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], Report]:
    """Rename by one table, and compare with what the network wants."""
    report = Report(table.source, note=table.note(state), facts=dict(table.facts))
    bare = not any(k.startswith("backbone.") for k in wanted)
    placed: dict[str, torch.Tensor] = {}
    names = table.rename_all(state)
    for key, tensor in state.items():
        ours = names[key]
        if ours is None or key.endswith(COUNTER):
            continue
        if bare and ours.startswith("backbone."):
            ours = ours.removeprefix("backbone.")
        elif bare and ours.startswith("head."):
            continue
        elif f"backbone.{ours}" in wanted:  # a file of the backbone alone
            ours = f"backbone.{ours}"
        if ours not in wanted or ours in placed:
            report.left_out.append(key)
            continue
        fitted = fit(tensor, wanted[ours].shape)
        if fitted is None:
            report.mismatched.append((ours, tuple(tensor.shape), tuple(wanted[ours].shape)))
            continue
        placed[ours] = fitted
        report.loaded.append(ours)
        if ours != key:
            report.renamed[key] = ours
        if fitted.shape != tensor.shape:
            report.reshaped.append(ours)
    there = {*placed, *(m[0] for m in report.mismatched)}
    absent = [k for k in wanted if k not in there and UNUSED not in k]
    zeros = [k for k in absent if table.zeros and re.search(table.zeros, k)]
    placed |= {k: torch.zeros_like(wanted[k]) for k in zeros}
    report.loaded += zeros
    report.missing = [k for k in absent if k not in zeros]
    return placed, report


def fit(tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor | None:
    """The tensor in that shape where they are the same kernel: linear and 1x1, or 2-D and of one frame."""
    if tensor.shape == shape:
        return tensor
    same = tensor.shape[:2] == shape[:2] and len(shape) > 1 and kernel(tensor.shape) == kernel(shape)
    return tensor.reshape(shape) if same else None


def kernel(shape: torch.Size) -> tuple[int, ...]:
    """The kernel of a weight without axes that change nothing: () of a linear layer or 1x1, (3, 3) of 1 x 3 x 3."""
    axes = tuple(shape[2:])
    if all(n == 1 for n in axes):
        return ()
    return axes[1:] if len(axes) == 3 and axes[0] == 1 else axes


def fold_split_norms(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Sub-batch norms of PySlowFast (`bn.split_bn`, statistics of every split) as the plain norm they stand for.

    The mean of the splits' means; the mean of their variances plus the variance of their means.
    """
    folded = dict(state)
    for key in [k for k in state if k.endswith(".split_bn.running_mean")]:
        norm = key.removesuffix(".split_bn.running_mean")
        channels = len(state[f"{norm}.weight"])
        mean = state[key].reshape(-1, channels)
        var = state[f"{norm}.split_bn.running_var"].reshape(-1, channels)
        for inner in ("bn", "split_bn"):
            for part in ("running_mean", "running_var", COUNTER):
                folded.pop(f"{norm}.{inner}.{part}", None)
        folded[f"{norm}.running_mean"] = mean.mean(0)
        folded[f"{norm}.running_var"] = var.mean(0) + mean.var(0, unbiased=False)
    return folded


def check_report(report: Report, strict: bool) -> None:
    """The error of weights that do not fit, in one line."""
    problems = report.problems()
    if not problems or (not strict and report.matched >= ENOUGH and not timeless(report)):
        return
    listed = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
    note = f" ({report.note})" if report.note else ""
    raise WeightsError(f"{report.file}: the weights ({report.source}) {reason(report, problems)}: {listed}{note}")


def reason(report: Report, problems: list[str]) -> str:
    """What is wrong with weights that do not fit, and the way out."""
    total = len(report.loaded) + len(report.missing) + len(report.mismatched)
    flat = timeless(report)
    if flat:
        return (
            f"are an image network's, {len(flat)} kernels have no time axis (inflate them, TRAIN.INFLATE in a config)"
        )
    if report.matched < ENOUGH:
        return (
            f"fit {len(report.loaded)} of the network's {total} tensors, so they are another network's (build "
            "that one: MODEL in a config)"
        )
    head = [m for m in report.mismatched if m[0].startswith("head.")]
    if len(head) == len(problems):
        theirs, ours = head[0][1][0], head[0][2][0]
        return f"have {theirs} classes, the network {ours} (build it with {theirs}, or strict=False keeps its own head)"
    return f"leave {len(problems)} tensors without a place (strict=False lets them be)"


def timeless(report: Report) -> list[str]:
    """The kernels of an image network that lack only the time axis of ours."""
    return [key for key, theirs, ours in report.mismatched if len(ours) == 5 and theirs == (*ours[:2], *ours[3:])]


@torch.no_grad()
def fill(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors of the network's names and shapes into it."""
    own = model.state_dict()
    for key, tensor in state.items():
        own[key].copy_(tensor)


def shape_text(shape: tuple[int, ...]) -> str:
    """400 x 2304."""
    return " x ".join(map(str, shape)) or "a number"
