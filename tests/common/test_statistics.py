"""The statistics against worked examples, R's output, hand-made numbers, and by simulation."""

import numpy as np
import pandas as pd
import pytest

from bench.common.statistics.inference import (
    area,
    cliques,
    critical_difference,
    holm,
    paired_difference,
    rank,
)
from bench.comparison.paired import compare_column

# Demšar (2006), table 6: AUC of C4.5, +m, +cf, +m+cf on 14 data sets.
DEMSAR = [
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9752, 0.975),  # printed as 0.975 twice, but ranked 2 and 3
    (0.957, 0.978, 0.946, 0.970),
]
# R: help(friedman.test), Hollander & Wolfe (1973), p. 140: three ways of rounding first base.
ROUNDING = """
5.40 5.50 5.55 5.85 5.70 5.75 5.20 5.60 5.50 5.55 5.50 5.40 5.90 5.85 5.70 5.45 5.55 5.60
5.40 5.40 5.35 5.45 5.50 5.35 5.25 5.15 5.00 5.85 5.80 5.70 5.25 5.20 5.10 5.65 5.55 5.45
5.60 5.35 5.45 5.05 5.00 4.95 5.50 5.50 5.40 5.45 5.55 5.50 5.55 5.55 5.35 5.45 5.50 5.55
5.50 5.45 5.25 5.65 5.60 5.40 5.70 5.65 5.55 6.30 6.30 6.25"""


def test_friedman_and_nemenyi_of_demsar() -> None:
    ranking = rank(DEMSAR)
    np.testing.assert_allclose(ranking.ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    blocks, k = len(DEMSAR), 4
    plain = 12 * blocks / (k * (k + 1)) * (np.sum(ranking.ranks**2) - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=0.005)
    # One row of four ties loses t³ - t = 60, three rows of two lose 6 each.
    ties = 1 - (60 + 3 * 6) / (blocks * k * (k**2 - 1))
    assert ranking.statistic == pytest.approx(plain / ties)
    assert ranking.critical_difference == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, level=0.10) == pytest.approx(1.12, abs=0.005)
    # "The difference of the worst and the best is 1.18": significant at 0.10 only.
    assert 0.05 < ranking.nemenyi[0, 3] < 0.10
    assert cliques(list(ranking.ranks), ranking.critical_difference) == [
        (min(ranking.ranks), max(ranking.ranks))
    ]


@pytest.mark.parametrize(
    ("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (7, 2.949), (10, 3.164)]
)
def test_critical_values_are_those_of_demsars_table_5(methods: int, q: float) -> None:
    expected = q * np.sqrt(methods * (methods + 1) / (6 * 20))
    assert critical_difference(methods, 20) == pytest.approx(expected, rel=3e-4)


def test_friedman_with_ties_is_rs() -> None:
    times = np.array(ROUNDING.split(), dtype=float).reshape(22, 3)
    ranking = rank(-times)
    assert ranking.statistic == pytest.approx(11.143, abs=5e-4)
    assert ranking.p == pytest.approx(0.003805, abs=5e-7)
    assert ranking.ranks.argmin() == 2


def test_blocks_that_are_all_tied_show_no_difference() -> None:
    ranking = rank(np.full((6, 3), 90.0))
    assert (ranking.statistic, ranking.p) == (0.0, 1.0)
    assert ranking.ranks.tolist() == [2.0, 2.0, 2.0]


def test_nemenyi_agrees_with_its_critical_difference() -> None:
    values = np.random.default_rng(0).normal(size=(12, 6)) + np.arange(6) * 0.6
    ranking = rank(values)
    distances = np.abs(ranking.ranks[:, None] - ranking.ranks)
    apart = distances >= ranking.critical_difference
    assert 0 < apart.sum() < apart.size - 6
    np.testing.assert_array_equal(ranking.nemenyi < 0.05, apart)


def test_paired_t_interval_is_rs() -> None:
    # R: t.test(extra ~ group, data = sleep, paired = TRUE)
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    result = paired_difference(first, second)
    assert result.mean == pytest.approx(-1.58)
    assert result.mean - result.half == pytest.approx(-2.4598858, abs=1e-7)
    assert result.mean + result.half == pytest.approx(-0.7001142, abs=1e-7)
    assert result.p == pytest.approx(0.002833, abs=5e-7)


def test_pairs_without_a_spread() -> None:
    nan = float("nan")
    cases = {
        "no pair": ([], [], (0, nan, nan, nan)),
        "one pair": ([90.1], [90.0], (1, 0.1, nan, nan)),
        "both constant": ([90.1] * 3, [90.0] * 3, (3, 0.1, 0.0, 0.0)),
        "equal": ([90.1, 91.2, 93.3], [90.1, 91.2, 93.3], (3, 0.0, 0.0, 1.0)),
        # 90.3 - 90.2 and 90.1 - 90.0 differ in their last bits, not in the number of images.
        "the same by chance": ([90.1, 90.3, 90.5], [90.0, 90.2, 90.4], (3, 0.1, nan, nan)),
        "two pairs": ([90.1] * 2, [90.0] * 2, (2, 0.1, nan, nan)),
    }
    for name, (ours, theirs, expected) in cases.items():
        result = paired_difference(ours, theirs)
        found = (result.n, result.mean, result.half, result.p)
        assert found == pytest.approx(expected, nan_ok=True), name


@pytest.mark.parametrize(("step", "seen"), [(4e-10, False), (1e-7, True)])
def test_what_differs_by_less_than_any_image_is_the_same(step, seen) -> None:
    """One image of a billion is 1e-7 points; what is less comes of rounding."""
    moved = paired_difference([90.0 + step, 90.0, 90.0], [90.0] * 3)
    assert (moved.half > 0, moved.p < 1) == (seen, seen)
    blocks = [[90.0, 90.0, 90.0 + step]] * 3
    assert (rank(blocks).p < 1) == seen


def test_holm_is_that_of_r_and_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    values = list(np.random.default_rng(1).uniform(size=20) ** 3)
    np.testing.assert_allclose(holm(values), multipletests(values, method="holm")[1])
    assert holm([0.04, float("nan"), 0.01]) == pytest.approx(
        [0.04, float("nan"), 0.02], nan_ok=True
    )
    assert holm([]) == []


def test_area_is_the_mean_height() -> None:
    assert area([0.5, 0.9], [80.0, 60.0]) == pytest.approx(70.0)
    # (0.1 * 85 + 0.3 * 70) / 0.4
    assert area([0.5, 0.6, 0.9], [90.0, 80.0, 60.0]) == pytest.approx(73.75)


def test_cliques_are_the_widest_groups_only() -> None:
    assert cliques([3.9, 1.0, 1.5, 2.4, 6.0], 1.6) == [(1.0, 2.4), (2.4, 3.9)]
    assert cliques([1.0, 3.0, 5.0], 1.0) == []
    assert cliques([1.0, 2.0], 1.0) == []  # as far apart as the critical difference: told apart


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover_as_often_as_they_say(seeds: int) -> None:
    noise = np.random.default_rng(seeds)
    runs, covered = 2000, 0
    for _ in range(runs):
        shared = noise.normal(scale=3, size=seeds)
        ours, theirs = (shared + noise.normal(scale=s, size=seeds) for s in (0.5, 1.0))
        result = paired_difference(80 + 2 + ours, 80 + theirs)
        covered += abs(result.mean - 2) <= result.half
    # Four standard errors of a share of 0.95 over 2,000 runs.
    assert covered / runs == pytest.approx(0.95, abs=0.02)


def test_equal_methods_are_seldom_called_different() -> None:
    noise = np.random.default_rng(7)
    runs, bold, significant = 200, 0, 0
    for _ in range(runs):
        values = pd.DataFrame(80 + noise.normal(size=(3, 5)), columns=list("abcde"))
        rows = compare_column(values, "a")
        bold += "best" in list(rows.standing)
        significant += bool(rows.significant.any())
    # At most 5 % of families, and four standard errors of that share.
    assert bold / runs <= 0.05
    assert significant / runs <= 0.05 + 0.062


def test_a_method_that_is_better_is_found() -> None:
    noise = np.random.default_rng(8)
    values = pd.DataFrame(80 + noise.normal(size=(3, 4)) / 10, columns=list("abcd"))
    values["c"] += 20
    rows = compare_column(values, "a").set_index("label")
    assert rows.standing["c"] == "best"
    assert (rows.standing == "second").sum() == 1
    assert rows.significant["c"] and not rows.significant["a"]
