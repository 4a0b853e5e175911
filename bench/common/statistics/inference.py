"""Statistics of a comparison: paired t intervals, Holm's correction, Friedman and Nemenyi.

Ranks, critical difference and cliques follow Demšar, "Statistical Comparisons of Classifiers over
Multiple Data Sets" (JMLR 7, 2006). scipy and scikit-posthocs are imported where they are used,
since they take seconds to load.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.05
"""The level of significance of all tests."""
# Accuracies are multiples of 100 / (test examples): numbers that differ by less are the same.
_DECIMALS = 9
_SAME = 1e-8

Floats = NDArray[np.float64]
"""An array of double-precision numbers."""


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences; `half` is half the width of its 95 % t interval.

    `half` and `p` (two-sided, of a mean of 0) are NaN if the pairs tell nothing about a spread.
    """

    n: int
    mean: float
    half: float
    p: float


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of k methods over blocks (1 is best), and how far apart they must be.

    `statistic` and `p` are Friedman's, corrected for ties; `nemenyi` holds p-values [k, k].
    """

    blocks: int
    ranks: Floats
    statistic: float
    p: float
    critical_difference: float
    nemenyi: Floats


def paired_difference(ours: ArrayLike, theirs: ArrayLike) -> Difference:
    """Return the mean of `ours - theirs`, paired by position, with a two-sided 95 % t interval.

    Fewer than two pairs have no interval. If neither side varies over three or more pairs, the
    difference is known exactly: the width is 0, and p is 0 or 1. If otherwise the difference is the
    same nonzero number throughout, its spread can't be estimated: over two pairs, or while the
    sides vary, accuracies rounded to whole test images come to that by chance. Whatever a report or
    a comparison calls better rests on this test, by way of `bench.common.statistics.contest`.
    """
    # scipy.stats takes a second to load, which every report would spend.
    from scipy.special import stdtr, stdtrit

    first, second = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    differences = np.round(first - second, _DECIMALS)
    n = len(differences)
    if n == 0:
        return Difference(0, np.nan, np.nan, np.nan)
    mean = float(differences.mean())
    if n == 1:
        return Difference(1, mean, np.nan, np.nan)
    if np.ptp(differences) > _SAME:
        error = float(differences.std(ddof=1)) / n**0.5
        half = float(stdtrit(n - 1, 1 - LEVEL / 2)) * error
        return Difference(n, mean, half, float(2 * stdtr(n - 1, -abs(mean / error))))
    constant = np.ptp(first) == 0 and n >= 3
    if abs(mean) < _SAME:
        return Difference(n, 0.0, 0.0, 1.0)
    return Difference(n, mean, 0.0, 0.0) if constant else Difference(n, mean, np.nan, np.nan)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for multiple tests by Holm (1979).

    NaN stays and isn't counted.
    """
    # The function of statsmodels collects garbage at every call: half a second for a few numbers.
    order = [int(index) for index in np.argsort(p_values) if not np.isnan(p_values[index])]
    corrected = [float("nan")] * len(p_values)
    greatest = 0.0
    for place, index in enumerate(order):
        greatest = max(greatest, min(1.0, (len(order) - place) * p_values[index]))
        corrected[index] = greatest
    return corrected


def area(sparsities: ArrayLike, accuracies: ArrayLike) -> float:
    """Return the mean height of a curve: the area of its trapezoids by the range of sparsities."""
    x = np.asarray(sparsities, dtype=np.float64)
    return float(np.trapezoid(np.asarray(accuracies, dtype=np.float64), x) / (x[-1] - x[0]))


def rank(values: ArrayLike) -> Ranking:
    """Return Friedman's test and Nemenyi's comparisons of `values` [blocks, methods], high is good.

    Tied methods share the mean of their ranks. It needs at least two blocks and three methods.
    """
    from scikit_posthocs import posthoc_nemenyi_friedman
    from scipy import stats

    table = np.round(np.asarray(values, dtype=np.float64), _DECIMALS)
    blocks, methods = table.shape
    if np.ptp(table, axis=1).any():
        statistic, p = map(float, stats.friedmanchisquare(*table.T))
    else:
        statistic, p = 0.0, 1.0
    return Ranking(
        blocks,
        stats.rankdata(-table, axis=1).mean(axis=0),
        statistic,
        p,
        critical_difference(methods, blocks),
        posthoc_nemenyi_friedman(table).to_numpy(),
    )


def critical_difference(methods: int, blocks: int, level: float = LEVEL) -> float:
    """Return the distance of two mean ranks from which on Nemenyi's test tells them apart.

    `q sqrt(k (k + 1) / 6 N)` with q the studentized range for k methods divided by √2.
    """
    from scipy import stats

    q = stats.studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * blocks)))


def cliques(ranks: Sequence[float], distance: float) -> list[tuple[float, float]]:
    """Return the ends of the widest groups of two or more ranks closer together than `distance`."""
    ordered = sorted(ranks)
    found: list[tuple[int, int]] = []
    for start, low in enumerate(ordered):
        end = max(index for index, high in enumerate(ordered) if high - low < distance)
        if end > start and (not found or end > found[-1][1]):
            found.append((start, end))
    return [(ordered[start], ordered[end]) for start, end in found]
