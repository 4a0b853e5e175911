"""The t test of the gate against scipy's, by simulation of its size and power, and its corners."""

import math
import random
from collections import Counter

import pytest
from scipy.optimize import brentq
from scipy.stats import nct, t, ttest_1samp

from bench.common.statistics.gate import Gate, seeds_needed, shift

GATE = Gate()


def draws(mean: float, spread: float, seeds: int, count: int) -> list[list[float]]:
    noise = random.Random(seeds)
    return [[noise.gauss(mean, spread) for _ in range(seeds)] for _ in range(count)]


def shares(samples: list[list[float]]) -> Counter[str]:
    """How often each verdict falls, as a fraction."""
    counts = Counter(shift(sample, GATE).verdict for sample in samples)
    return Counter({verdict: count / len(samples) for verdict, count in counts.items()})


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_the_verdict_is_that_of_scipys_one_sided_tests(seeds) -> None:
    met = set()
    for mean in (-1.5, -0.5, 0.0, 1.5):
        for sample in draws(mean, 0.3, seeds, 30):
            low = ttest_1samp(sample, -GATE.margin, alternative="greater").pvalue < GATE.alpha
            high = ttest_1samp(sample, -GATE.margin, alternative="less").pvalue < GATE.alpha
            better = ttest_1samp(sample, GATE.margin, alternative="greater").pvalue < GATE.alpha
            expected = "regressed" if high else "inconclusive"
            if low:
                expected = "improved" if better else "pass"
            assert shift(sample, GATE).verdict == expected
            met.add(expected)
    assert met == {"pass", "regressed", "improved", "inconclusive"}


def test_the_bounds_are_those_of_a_textbook_example() -> None:
    # d = -1.0, s = 1.0, t(0.95, 2) = 2.91999: -1 ± 2.91999 / √3.
    found = shift([-2.0, -1.0, 0.0], GATE)
    assert found.mean == pytest.approx(-1.0)
    assert (found.low, found.high) == pytest.approx((-2.68586, 0.68586), abs=1e-4)
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.05, 0.5, 5.0])
def test_a_fall_of_just_the_margin_passes_at_most_alpha_of_the_time(seeds, spread) -> None:
    found = shares(draws(-GATE.margin, spread, seeds, 2000))
    # Four standard errors of a share near 5 % of 2,000 draws.
    assert abs(found["pass"] + found["improved"] - GATE.alpha) < 0.02
    assert abs(found["regressed"] - GATE.alpha) < 0.02


def test_three_seeds_have_power_where_the_margin_is_three_standard_deviations() -> None:
    assert shares(draws(0.0, GATE.margin / 3, 3, 2000))["pass"] > 0.9
    assert shares(draws(0.0, GATE.margin / 2, 3, 2000))["pass"] < 0.8
    assert shares(draws(-4 * GATE.margin, GATE.margin / 3, 3, 2000))["regressed"] > 0.9


@pytest.mark.parametrize(("ratio", "seeds"), [(3.0, 3), (2.0, 4), (1.0, 11)])
def test_the_seeds_needed_are_what_simulation_needs(ratio, seeds) -> None:
    spread = GATE.margin / ratio
    assert seeds_needed(spread, GATE) == seeds
    assert shares(draws(0.0, spread, seeds, 2000))["pass"] > 0.88
    assert shares(draws(0.0, spread, seeds - 1, 2000))["pass"] < 0.9


def power(seeds: int, ratio: float) -> float:
    """How often unchanged code passes, with the margin `ratio` standard deviations wide."""
    critical = t.ppf(1 - GATE.alpha, seeds - 1)
    return float(nct.sf(critical, seeds - 1, seeds**0.5 * ratio))


@pytest.mark.parametrize("seeds", [2, 3, 9, 50, 199, 200])
def test_the_seeds_needed_are_the_fewest_with_power(seeds) -> None:
    """Just above and below the spread at which so many have a power of exactly nine tenths."""
    ratio = brentq(lambda ratio: power(seeds, ratio) - 0.9, 0.1, 50)
    assert seeds_needed(GATE.margin / (ratio * 1.0001), GATE) == seeds
    more = seeds + 1 if seeds < 200 else None  # more than 200 are said to be too many
    assert seeds_needed(GATE.margin / (ratio * 0.9999), GATE) == more


def test_a_hopeless_spread_needs_too_many_seeds() -> None:
    assert seeds_needed(100.0, GATE) is None


@pytest.mark.parametrize(
    ("fall", "verdict"),
    [(0.0, "pass"), (0.49, "pass"), (0.5, "pass"), (0.51, "regressed"), (-0.6, "improved")],
)
def test_a_deterministic_method_is_judged_by_the_margin_alone(fall, verdict) -> None:
    before, now = 83.64, 83.64 - fall
    assert shift([now - before] * 3, GATE).verdict == verdict


def test_one_seed_is_never_enough() -> None:
    assert shift([0.0], GATE).verdict == "inconclusive"
    assert shift([-50.0], GATE).verdict == "inconclusive"
    assert (shift([1.0], GATE).low, shift([1.0], GATE).high) == (-math.inf, math.inf)


def test_a_spread_that_is_there_is_tested() -> None:
    """A hundred-millionth of a point is one image of ten thousand millions, but is a spread."""
    found = shift([0.0, 1e-8], GATE)
    assert found.low < 0
    assert found.high > 1e-8
