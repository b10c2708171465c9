"""X3D's stepwise expansion as pure functions (Feichtenhofer 2020, arXiv 2004.04730, section 3.2).

Forward: from a network one candidate an axis, each about twice as costly; all are trained, the one with most accuracy
for its multiply-adds is kept, and so on until the target is reached. Backward: the last expansion, cut to the target.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

TIMES = 2.0
TOLERANCE = 0.25
FINEST, MOST = 16, 3  # rungs of a ladder for each doubling of an axis, and doublings of an axis that one step may take
PIXELS = 8  # sizes are multiples: of odd maps a stride of 2 keeps more than a quarter, cost without resolution


@dataclass(frozen=True)
class Factors:
    """Where a network stands on the axes of the expansion.

    frames: of a clip. rate: frames of the video from one frame of the clip to the next; frames * rate is its duration.
    size: side of a crop, pixels. width, bottleneck, depth: the factors of `videonet.models.video.x3d`.
    """

    frames: int
    rate: int
    size: int
    width: float
    bottleneck: float
    depth: float

    @property
    def duration(self) -> int:
        """Frames of the video that a clip covers."""
        return self.frames * self.rate

    @property
    def name(self) -> str:
        """The name of its folder, such as `4x2_s45_w1_b2.25_d1`."""
        space = f"s{self.size}_w{self.width:g}_b{self.bottleneck:g}_d{self.depth:g}"
        return f"{self.frames}x{self.rate}_{space}"


def lengthen(factors: Factors, by: float) -> Factors:
    """gamma_t: a longer clip at the same frame rate."""
    return replace(factors, frames=round(factors.frames * by))


def quicken(factors: Factors, by: float) -> Factors:
    """gamma_tau: a higher frame rate for about the same duration (the paper's X-Fast)."""
    frames = round(factors.frames * by)
    return replace(factors, frames=frames, rate=max(1, round(factors.duration / frames)))


def enlarge(factors: Factors, by: float) -> Factors:
    """gamma_s: larger frames, in steps of PIXELS."""
    return replace(factors, size=max(factors.size, round(factors.size * by / PIXELS) * PIXELS))


def widen(factors: Factors, by: float) -> Factors:
    """gamma_w: more channels in all layers."""
    return replace(factors, width=round(factors.width * by, 2))


def swell(factors: Factors, by: float) -> Factors:
    """gamma_b: more channels inside the blocks."""
    return replace(factors, bottleneck=round(factors.bottleneck * by, 2))


def deepen(factors: Factors, by: float) -> Factors:
    """gamma_d: more blocks a stage."""
    return replace(factors, depth=round(factors.depth * by, 2))


AXES: dict[str, Callable[[Factors, float], Factors]] = {
    "duration": lengthen,
    "frame rate": quicken,
    "space": enlarge,
    "width": widen,
    "bottleneck": swell,
    "depth": deepen,
}
Cost = Callable[[Factors], float]


def ladder(factors: Factors, axis: str) -> list[Factors]:
    """The factors themselves, then ever larger ones along one axis."""
    rungs = [factors]
    for rung in (AXES[axis](factors, 2 ** (i / FINEST)) for i in range(1, FINEST * MOST + 1)):
        if rung != rungs[-1] and (axis != "frame rate" or is_quicker(factors, rung)):
            rungs.append(rung)
    return rungs


def is_quicker(before: Factors, after: Factors) -> bool:
    """Whether whole numbers of frames give a higher frame rate, and a duration within TOLERANCE."""
    return after.rate < before.rate and abs(after.duration - before.duration) <= TOLERANCE * before.duration


def expand(factors: Factors, axis: str, cost: Cost, times: float = TIMES) -> Factors | None:
    """The factors along one axis whose cost is nearest `times` theirs; None where TOLERANCE cannot be kept."""
    rungs, wish = ladder(factors, axis), times * cost(factors)
    above = bisect_left(rungs, wish, key=cost)
    found = min(rungs[max(above - 1, 0) : above + 1], key=lambda rung: abs(math.log(cost(rung) / wish)))
    if not 1 / (1 + TOLERANCE) <= cost(found) / wish <= 1 + TOLERANCE:
        return None
    return rungs[bisect_left(rungs, cost(found), key=cost)]  # the least of those that round to the same network


def candidates(factors: Factors, cost: Cost, times: float = TIMES) -> dict[str, Factors]:
    """Axis -> expanded factors, of all the axes that can be expanded."""
    found = {axis: expand(factors, axis, cost, times) for axis in AXES}
    return {axis: expanded for axis, expanded in found.items() if expanded is not None}


def contract(before: Factors, axis: str, cost: Cost, target: float) -> Factors:
    """The largest step from `before` along the axis of the last expansion that costs no more than the target."""
    rungs = ladder(before, axis)
    most = rungs[bisect_right(rungs, target, key=cost) - 1]
    return rungs[bisect_left(rungs, cost(most), key=cost)]


@dataclass(frozen=True)
class Trial:
    """A trained and tested network: the axis that led to it, its factors, its size and its score."""

    axis: str
    factors: Factors
    params: int
    gmacs: float
    score: float


@dataclass(frozen=True)
class Step:
    """One step of the path: its number, its kind ("base", "forward" or "backward"), its trials and the one kept."""

    number: int
    kind: str
    trials: tuple[Trial, ...]
    kept: Trial


def gain(before: Trial, trial: Trial) -> float:
    """Score gained for each doubling of the multiply-adds."""
    return (trial.score - before.score) / math.log2(trial.gmacs / before.gmacs)


def choose(before: Trial, trials: Sequence[Trial]) -> Trial:
    """The trial that gains most for its multiply-adds; of equals the cheapest."""
    return max(trials, key=lambda trial: (gain(before, trial), -trial.gmacs))


def search(
    start: Factors,
    measure: Callable[[Factors], tuple[int, float]],
    train: Callable[[Factors], float],
    *,
    target: float,
    steps: int,
) -> Iterator[Step]:
    """The path from `start`: forward to `target` GMACs or for `steps` steps, then backward where it passed the target.

    measure: factors -> (parameters, GMACs). train: factors -> score of the network trained and tested.
    """

    def cost(factors: Factors) -> float:
        return measure(factors)[1]

    def attempt(axis: str, factors: Factors) -> Trial:
        return Trial(axis, factors, *measure(factors), train(factors))

    if cost(start) >= target:
        raise ValueError(f"the target of {target:g} GMACs must be above the base's {cost(start):.3g}")
    before = kept = attempt("", start)
    yield Step(0, "base", (kept,), kept)
    number = 0
    while number < steps and kept.gmacs < target:
        number, before = number + 1, kept
        trials = tuple(attempt(axis, factors) for axis, factors in candidates(kept.factors, cost).items())
        if not trials:
            raise ValueError(
                f"no axis of {kept.factors.name} can be expanded to about {TIMES:g} times its multiply-adds"
            )
        kept = choose(before, trials)
        yield Step(number, "forward", trials, kept)
    if kept.gmacs > target:
        kept = attempt(kept.axis, contract(before.factors, kept.axis, cost, target))
        yield Step(number + 1, "backward", (kept,), kept)
