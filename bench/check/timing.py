"""Pruning times against those of the baseline.

Machines differ in speed, so a time is measured in units of the time that a fixed piece of work,
the yardstick, took in the same process (`yardstick_seconds` of a record), and never in seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench.check.baseline import Result
from bench.check.regression import paired
from bench.common.statistics.gate import Gate
from bench.jobs.cell import Cell

TOLD = 1.5
"""The factor from which a time is called slower or faster where the study names none."""
_SHORTEST = 0.02
"""Seconds below which a pruning time says more about the clock than about the method."""


@dataclass(frozen=True)
class Timing:
    """The pruning time of one label in yardsticks, as a factor on the baseline's."""

    pair: str
    allocation: str
    label: str
    factor: float
    verdict: Literal["slower", "faster", "same"]


def timings(cells: Sequence[Cell], baseline: Mapping[str, Result], gate: Gate) -> list[Timing]:
    """The median factor over the paired jobs of each label.

    Only jobs count that took at least 0.02 seconds before or now and whose process has timed the
    yardstick, before and now.
    """
    factors: dict[tuple[str, str, str], list[float]] = {}
    for old, new in paired(cells, baseline):
        sizes = _yardsticks(old), _yardsticks(new)
        longest = max(old.prune_seconds or 0.0, new.prune_seconds or 0.0)
        if sizes[0] and sizes[1] and longest >= _SHORTEST:
            factors.setdefault((new.pair, new.allocation, new.label), []).append(
                sizes[1] / sizes[0]
            )
    told = gate.slowdown or TOLD
    found = []
    for group, part in factors.items():
        factor = median(part)
        slow, fast = factor >= told, factor <= 1 / told
        found.append(Timing(*group, factor, "slower" if slow else "faster" if fast else "same"))
    return found


def _yardsticks(result: Result) -> float | None:
    if result.prune_seconds is None or not result.yardstick_seconds:
        return None
    return result.prune_seconds / result.yardstick_seconds
