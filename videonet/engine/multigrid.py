"""Multigrid training (Wu et al., CVPR 2020): small clips in large batches first, on a long and a short cycle."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean

from videonet.engine.schedule import Rate

LONG_FACTORS = ((0.25, 0.5**0.5), (0.5, 0.5**0.5), (0.5, 1.0), (1.0, 1.0))
SHORT_FACTORS = (0.5, 0.5**0.5)


@dataclass(frozen=True)
class Phase:
    """A shape of the long cycle, up to `end_epoch`: the base batch `times` over, clips of frames x size x size; `stage`
    counts the steps of the learning rate."""

    stage: int
    times: int
    frames: int
    size: int
    end_epoch: int


@dataclass(frozen=True)
class Grid:
    """The global batch and the clips of one step; their frames lie `rate` to `max_rate` apart."""

    batch: int
    frames: int
    size: int
    rate: int
    max_rate: int


def long_cycle(
    *,
    frames: int,
    size: int,
    steps: Sequence[int],
    epochs: int,
    factors: Sequence[tuple[float, float]] = LONG_FACTORS,
    short_factors: Sequence[float] = SHORT_FACTORS,
    epoch_factor: float = 1.5,
) -> list[Phase]:
    """The phases of a run that without multigrid has clips of frames x size x size and `steps` of its learning rate.

    In each stage but the last every shape gets the same number of iterations; the last stage keeps the full shape. The
    whole takes `epoch_factor` times the epochs.

    Args:
        factors: (time, space) of each shape, relative to the full one.
        short_factors: what the short cycle does to the size, which changes the mean batch; empty without it.

    Raises:
        ValueError: there are no two steps to fit the shapes between, or a shape would have no frame.
    """
    if len(steps) < 2:
        raise ValueError(
            f"the long cycle goes through its shapes between the steps of the learning rate, got {list(steps)}: give "
            "SCHEDULE.STEPS at least two that begin before the end"
        )
    shapes = [(round(frames * time), round(size * space)) for time, space in factors]
    if min(frames for frames, _ in shapes) < 1:
        raise ValueError(f"the long cycle would shorten clips of {frames} frames to none; raise DATA.NUM_FRAMES")

    def times(t: int, s: float) -> int:
        return round(frames * size**2 / (t * s**2))

    mean_times = [fmean([times(t, size * f) for f in short_factors] + [times(t, s)]) for t, s in shapes]
    spans = [  # (stage, shape, epochs in units of the plain run's)
        (stage, shape, (end - start) * share / sum(mean_times))
        for stage, (start, end) in enumerate(zip(steps, steps[1:]))
        for shape, share in zip(shapes, mean_times)
    ]
    iterations = sum(length / share for (_, _, length), share in zip(spans, mean_times * len(steps)))
    saving = steps[-1] / iterations  # the last stage saves as many iterations as the others
    spans.append((len(steps) - 1, shapes[-1], (epochs - steps[-1]) / saving * mean_times[-1]))
    stretch = epochs * epoch_factor / sum(length for _, _, length in spans)
    ends = accumulate(length * stretch for _, _, length in spans)
    return [Phase(stage, times(*shape), *shape, round(end)) for (stage, shape, _), end in zip(spans, ends)]


def relative_lrs(phases: Sequence[Phase], lrs: Sequence[float]) -> tuple[list[int], list[float]]:
    """(steps, lrs) for schedule.steps_with_relative_lrs: lrs[stage] in proportion to the batch of each phase. The last
    phase begins with the learning rate of the stage before, for half of its length."""
    *cycles, last = phases
    begins = [0, *(phase.end_epoch for phase in cycles)]
    middle = (begins[-1] + last.end_epoch) // 2
    rates = [lrs[phase.stage] * phase.times for phase in cycles]
    return [*begins, middle], [*rates, rates[-1], lrs[last.stage] * last.times]


class Multigrid:
    """The schedule of a multigrid run: batch, clips and learning rate of every step; an epoch is `items` clips seen.

    The short cycle goes through `short_factors` and the phase's own size step by step, small clips in large batches.

    Args:
        phases: of `long_cycle`; one phase of `times` 1 for the short cycle alone.
        lr: learning rate of an epoch.
        items: rows of the training list.
        full: the clips at full size, and their (global) batch.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        lr: Rate,
        *,
        items: int,
        full: Grid,
        short_factors: Sequence[float] = SHORT_FACTORS,
    ) -> None:
        self._rate, self._items, self.phases = lr, items, tuple(phases)
        self._cycles = [self._cycle(phase, full, short_factors) for phase in phases]
        self._first_step, self._first_clip = [0], [0]
        for phase, cycle in zip(phases, self._cycles):
            batches = [grid.batch for grid in cycle]
            short = phase.end_epoch * items - self._first_clip[-1]
            rounds, rest = divmod(max(short, 0), sum(batches))
            steps, clips = rounds * len(batches), rounds * sum(batches)
            for batch in batches:
                if rest <= 0:
                    break
                steps, clips, rest = steps + 1, clips + batch, rest - batch
            self._first_step.append(self._first_step[-1] + steps)
            self._first_clip.append(self._first_clip[-1] + clips)
        self.steps = self._first_step[-1]

    @property
    def epochs(self) -> int:
        """Length of the run in epochs."""
        return self.phases[-1].end_epoch

    @property
    def steps_per_epoch(self) -> float:
        """Steps of an epoch in the mean over the run."""
        return self.steps / self.epochs

    @staticmethod
    def _cycle(phase: Phase, full: Grid, short_factors: Sequence[float]) -> list[Grid]:
        max_rate = full.rate * (full.frames // phase.frames)
        batch = full.batch * phase.times
        small = [
            Grid(
                batch * max(round((phase.size / (full.size * factor)) ** 2), 1),
                phase.frames,
                round(full.size * factor),
                full.rate,
                max_rate,
            )
            for factor in short_factors
        ]
        return [*small, Grid(batch, phase.frames, phase.size, full.rate, max_rate)]

    def _phase(self, step: int) -> int:
        return min(bisect_right(self._first_step, step) - 1, len(self._cycles) - 1)

    def clip_shape(self, step: int) -> Grid:
        """Batch and clips of a step."""
        phase = self._phase(step)
        cycle = self._cycles[phase]
        return cycle[(step - self._first_step[phase]) % len(cycle)]

    def epoch(self, step: int) -> float:
        """Clips that the steps before `step` saw, in lengths of the list."""
        phase = self._phase(step)
        cycle = [grid.batch for grid in self._cycles[phase]]
        rounds, rest = divmod(step - self._first_step[phase], len(cycle))
        return (self._first_clip[phase] + rounds * sum(cycle) + sum(cycle[:rest])) / self._items

    def lr(self, step: int) -> float:
        """Learning rate of a step."""
        return self._rate(self.epoch(step))

    def describe(self) -> list[str]:
        """A line for each phase: its epochs and steps, its clips in the order of the short cycle, its last rate."""
        lines, begin = [], 0
        for number, (phase, cycle) in enumerate(zip(self.phases, self._cycles)):
            first, end = self._first_step[number : number + 2]
            shapes = " / ".join(f"{g.batch} x {g.frames} x {g.size} x {g.size}" for g in cycle)
            rate = f"{cycle[0].rate:g} to {cycle[0].max_rate:g}"
            lr = f", lr {self.lr(end - 1):g} at the end" if end > first else ""
            lines.append(
                f"epochs {begin} to {phase.end_epoch}, steps {first} to {end}: clips {shapes}, sampling rate {rate}{lr}"
            )
            begin = phase.end_epoch
        return lines
