"""The statistics of the regression gate: a one-sided t test of differences paired by seed."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Shifted = Literal["pass", "regressed", "improved", "inconclusive"]
"""The verdict on a difference."""
POWER = 0.9
"""The probability with which unchanged code should pass with the number of seeds of `seeds_needed`.
"""
_MOST_SEEDS = 200
_EPSILON = 1e-9


class Gate(BaseModel):
    """A study's `[gate]`: what counts as a regression, set before anything is compared.

    `margin` is the fall of accuracy, in percentage points, that is too large; of perplexity or mean
    squared error it is the rise, in percent. `alpha` is the probability with which a change of
    exactly the margin may pass. `exact` says whether different bits in an equal environment fail
    although the change is within the margin. `slowdown` is the factor on the pruning time, in units
    of the yardstick, from which on a slower run fails; None never fails.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    margin: float = Field(0.5, gt=0, allow_inf_nan=False)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    exact: bool = True
    slowdown: float | None = Field(None, gt=1, allow_inf_nan=False)


@dataclass(frozen=True)
class Shift:
    """The verdict, and the mean of new minus old with its one-sided confidence bounds."""

    verdict: Shifted
    mean: float
    low: float
    high: float


def shift(differences: Sequence[float], gate: Gate) -> Shift:
    """Return the verdict on differences new - old in points of merit, one per seed.

    With n seeds, mean d, sample standard deviation s and t the 1 - alpha quantile of Student's
    distribution with n - 1 degrees of freedom, the bounds are d ± t s/√n, and the verdict is

    - `pass` if d - t s/√n > -margin: a one-sided t test rejects "worse by the margin or more",
    - `improved` if moreover d - t s/√n > margin,
    - `regressed` if d + t s/√n < -margin: the same test rejects "not worse by the margin",
    - `inconclusive` otherwise, and for a single seed, which tells nothing of the spread.

    If all differences are equal, as those of a deterministic method, s = 0 and the margin alone
    decides; a fall of exactly the margin passes.
    """
    mean = fmean(differences)
    if len(differences) < 2:
        return Shift("inconclusive", mean, -math.inf, math.inf)
    spread = stdev(differences)
    if spread < _EPSILON:
        # Rounding must not turn a fall of exactly the margin into a larger one.
        low = high = mean + _EPSILON
    else:
        half = _quantile(1 - gate.alpha, len(differences) - 1) * spread / len(differences) ** 0.5
        low, high = mean - half, mean + half
    if high < -gate.margin:
        verdict: Shifted = "regressed"
    elif low <= -gate.margin:
        verdict = "inconclusive"
    else:
        verdict = "improved" if low > gate.margin else "pass"
    return Shift(verdict, mean, low, high)


def seeds_needed(spread: float, gate: Gate) -> int | None:
    """Return how many seeds let unchanged code pass with probability `POWER`, None if too many.

    `spread` is the standard deviation of a difference in percentage points. Without a change, the
    statistic of the test follows the noncentral t distribution with n - 1 degrees of freedom and
    noncentrality √n margin/spread.
    """
    from scipy.stats import nct

    for seeds in range(2, _MOST_SEEDS + 1):
        threshold = _quantile(1 - gate.alpha, seeds - 1)
        if nct.sf(threshold, seeds - 1, seeds**0.5 * gate.margin / spread) >= POWER:
            return seeds
    return None


@functools.cache
def _quantile(level: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution."""
    from scipy.stats import t

    return float(t.ppf(level, freedom))
