"""What changed since the baseline gets the right verdict, in an equal environment or another."""

import pytest
from support.records import ENVIRONMENT, make_cell, make_job

from bench.check.baseline import Result
from bench.check.regression import FAILING, Change, Group, compare, compare_curves, identical
from bench.check.timing import timings
from bench.common.statistics.gate import Gate
from bench.jobs.budget import Budget
from bench.jobs.cell import Cell

ELSEWHERE = ENVIRONMENT.model_copy(update={"threads": 64})
OLD = (90.0, 91.0, 89.5)


def cells(accuracies=OLD, status: str | None = "ok", **results: object) -> list[Cell]:
    found = []
    for seed, accuracy in enumerate(accuracies):
        cell = make_cell("obd", make_job(seed=seed), status)
        figures = {"accuracy": accuracy, "loss": accuracy} if status == "ok" else {}
        found.append(changed(cell, **figures, **results))
    return found


def changed(cell: Cell, **fields: object) -> Cell:
    return cell._replace(record=cell.record and cell.record.model_copy(update=fields))


def results(found: list[Cell], **changes: object) -> dict[str, Result]:
    return {
        cell.job.key: Result.of(cell.record, cell.label).model_copy(update=changes)
        for cell in found
        if cell.record
    }


def judged(now: list[Cell], before: list[Cell] | None = None, **gate: object) -> Change:
    (found,) = compare(now, results(cells() if before is None else before), Gate(**gate))
    return found


def moved(*points: float) -> list[float]:
    return [a + b for a, b in zip(OLD, points, strict=True)]


def test_equal_bits_pass_without_statistics() -> None:
    found = judged(cells())
    assert (found.verdict, found.reason, found.seeds) == ("pass", "the same bits", 3)


@pytest.mark.parametrize(
    ("points", "here", "elsewhere"),
    [
        ((0.02, 0.0, 0.0), "changed", "pass"),
        ((-0.4, -0.4, -0.4), "changed", "pass"),
        ((-0.6, -0.6, -0.6), "regressed", "regressed"),
        ((-5.0, -6.0, -5.5), "regressed", "regressed"),
        ((-3.0, 2.0, -4.0), "changed", "inconclusive"),
        ((2.0, 2.1, 1.9), "improved", "improved"),
        ((0.0, 0.0, 0.0), "pass", "pass"),
    ],
)
def test_other_accuracies(points, here, elsewhere) -> None:
    found = judged(cells(moved(*points)))
    assert found.verdict == here
    assert found.shift is not None
    assert found.shift.mean == pytest.approx(sum(points) / 3)
    assert judged(cells(moved(*points), environment=ELSEWHERE)).verdict == elsewhere


def test_a_single_swapped_weight_is_seen_by_the_mask_alone() -> None:
    before = results(cells(), mask_sha256="a" * 64)
    now = cells()
    (found,) = compare(now, before, Gate())
    assert found.verdict == "pass"  # a record without a digest says nothing against it
    after = results(now, mask_sha256="b" * 64)
    assert not any(identical(before[key], after[key]) for key in before)


def test_another_loss_alone_is_other_bits() -> None:
    now = [changed(cell, loss=0.1) for cell in cells()]
    assert judged(now).verdict == "changed"
    assert "seeds 0, 1, 2" in judged(now).reason
    assert judged(now, exact=False).verdict == "pass"


def test_the_commit_is_no_part_of_the_environment() -> None:
    committed = ENVIRONMENT.model_copy(update={"commit": "abc", "platform": "Linux-9"})
    assert judged(cells(environment=committed)).reason == "the same bits"


def test_inconclusive_says_how_many_seeds() -> None:
    found = judged(cells(moved(-0.5, 0.5, 0.0), environment=ELSEWHERE))
    assert found.verdict == "inconclusive"
    assert found.reason == "run more seeds: with this spread unchanged code needs about 11"
    one = judged(cells(environment=ELSEWHERE)[:1], cells()[:1])
    assert one.reason == "run more seeds: one tells nothing of the spread"


# A fall everywhere, under noise that differs between sparsities.
NOISY = {0.8: (-3.0, -1.0, 0.5), 0.9: (0.2, -3.2, -1.5), 0.95: (-2.2, 0.4, -4.0)}


def curve(shifts: dict[float, tuple[float, ...]], **changes: object) -> list[Cell]:
    return [
        changed(
            make_cell("kfac", make_job(sparsity=sparsity, seed=seed)),
            accuracy=80.0 + point,
            nonzero=1,
            **changes,
        )
        for sparsity, points in shifts.items()
        for seed, point in enumerate(points)
    ]


def test_the_whole_curve_shows_damage_that_no_sparsity_does() -> None:
    before = results(curve(dict.fromkeys(NOISY, (0.0, 0.0, 0.0))))
    now = curve(NOISY, environment=ELSEWHERE)
    assert {found.verdict for found in compare(now, before, Gate())} == {"inconclusive"}
    (found,) = compare_curves(now, before, Gate())
    assert found.verdict == "regressed"
    assert found.shift is not None and found.shift.mean == pytest.approx(-13.8 / 9)
    assert found.seeds == 3 and found.group.sparsity is None


def test_a_curve_needs_two_sparsities_and_all_seeds() -> None:
    before = results(curve(NOISY))
    assert [c.verdict for c in compare_curves(curve(NOISY), before, Gate())] == ["pass"]
    assert compare_curves(curve({0.9: NOISY[0.9]}), before, Gate()) == []
    assert compare_curves(curve(NOISY)[:-1], before, Gate()) == []
    other = curve(NOISY, checkpoint_sha256="f" * 64)
    assert compare_curves(other, before, Gate()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "failed", "reason": "NaN"}, "seed 0: failed (NaN), was ok"),
        ({"status": "over-budget", "reason": "asked"}, "seed 0: over-budget (asked), was ok"),
        ({"nonzero": 26_833}, "seed 0: keeps 26,833 weights, was 26,834"),
        (
            {"spent": Budget(calibration_examples=1000, backward_passes=1001)},
            "seed 0: spends 1,001 backward passes, was 1,000",
        ),
    ],
)
def test_some_things_are_regressions_whatever_the_accuracy(changes, reason) -> None:
    found = judged([changed(cell, **changes) for cell in cells(moved(5, 5, 5))])
    assert (found.verdict, found.reason) == ("regressed", reason)


def test_spending_less_is_said_and_passes() -> None:
    less = Budget(calibration_examples=1000, backward_passes=10)
    found = judged([changed(cell, spent=less) for cell in cells()])
    assert found.verdict == "pass"
    assert "spends 10 backward passes, was 1,000" in found.reason


def test_what_failed_before_and_runs_now_improved() -> None:
    assert judged(cells(), cells(status="failed", reason="NaN")).verdict == "improved"
    failing = cells(status="failed", reason="NaN")
    found = judged(failing, failing)
    assert (found.verdict, found.reason) == ("pass", "still failed")


def test_another_dense_checkpoint_is_another_experiment() -> None:
    found = judged(cells(moved(-9, -9, -9), checkpoint_sha256="f" * 64))
    assert found.verdict == "not comparable"


def test_what_has_no_counterpart_says_so() -> None:
    assert judged(cells(status=None)).verdict == "not run"
    assert judged(cells(), []).verdict == "new"
    assert "2 seeds not run" in judged([*cells()[:1], *cells(status=None)[1:]]).reason


def test_only_a_fall_and_other_bits_fail_a_check() -> None:
    assert FAILING == ("regressed", "changed")


def test_a_comparison_says_where_it_is_and_its_means() -> None:
    found = judged(cells(moved(0.2, 0.2, -0.1), environment=ELSEWHERE))
    assert found.group == Group("resnet20-cifar10", "one-shot", "global", "obd", 0.9)
    assert found.seeds == 3
    assert found.before == pytest.approx((90.0 + 91.0 + 89.5) / 3)
    assert found.now == pytest.approx((90.2 + 91.2 + 89.4) / 3)
    assert found.shift is not None and found.shift.mean == pytest.approx(0.1)
    assert Change(found.group, "new") == Change(found.group, "new", "", 0, None, None, None)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ((-5.0, -6.0, -5.5), "worse by more than the margin of 0.75"),
        ((2.0, 2.1, 1.9), "better by more than the margin of 0.75"),
        ((0.1, 0.0, -0.1), "within the margin of 0.75"),
    ],
)
def test_a_verdict_in_words(points, words) -> None:
    now = cells(moved(*points), environment=ELSEWHERE)
    assert judged(now, margin=0.75).reason == words


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ((0.0, 0.1, 0.0), "(seed 1): within the margin of 0.5"),
        ((0.1, 0.0, 0.1), "(seeds 0, 2): within the margin of 0.5"),
        ((-3.0, 2.0, -4.0), "(seeds 0, 1, 2): too few seeds to say what it costs"),
    ],
)
def test_other_bits_in_words(points, reason) -> None:
    found = judged(cells(moved(*points)))
    assert found.verdict == "changed"
    assert found.reason == f"other bits in an equal environment {reason}"


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        # Two seeds a point apart: s = √½. (1.645 + 1.282)² s² / 0.5² is 17.1, by z instead of t.
        ((0.5, -0.5), "with this spread unchanged code needs about 19"),
        ((40.0, -40.0, 3.0), "with this spread unchanged code needs hundreds"),
        # s = 0.1, for which two seeds are enough, but these happened to be worse.
        ((-0.3, -0.4, -0.5), "unchanged code would have passed with these nine times of ten"),
    ],
)
def test_how_many_seeds_in_words(points, reason) -> None:
    before = cells(OLD[: len(points)])
    now = cells([a + b for a, b in zip(OLD, points, strict=False)], environment=ELSEWHERE)
    found = judged(now, before)
    assert (found.verdict, found.reason) == ("inconclusive", f"run more seeds: {reason}")


def test_each_seed_has_its_say() -> None:
    """One seed that broke, spends more, keeps another count or has another model is enough."""
    before = cells()
    for changes, verdict, reason in (
        ({"status": "failed", "reason": "NaN"}, "regressed", "seed 1: failed (NaN), was ok"),
        ({"nonzero": 3}, "regressed", "seed 1: keeps 3 weights, was 26,834"),
        ({"checkpoint_sha256": "f" * 64}, "not comparable", "another dense checkpoint"),
    ):
        now = [before[0], changed(before[1], **changes), before[2]]
        found = judged(now, before)
        assert found.verdict == verdict
        assert found.reason.startswith(reason)
    elsewhere = [changed(cell, accuracy=80.0 + i) for i, cell in enumerate(before)]
    elsewhere[0] = changed(elsewhere[0], environment=ELSEWHERE)
    assert judged(elsewhere, before, exact=True).verdict == "regressed"
    close = [changed(cell, loss=0.1) for cell in before]
    close[0] = changed(close[0], environment=ELSEWHERE)
    assert judged(close, before).verdict == "pass"  # not all ran where they ran before


def test_what_was_never_spent_counts_as_nothing() -> None:
    now = [
        changed(
            cell, spent=Budget(calibration_examples=1000, backward_passes=1000, recomputations=1)
        )
        for cell in cells()
    ]
    assert judged(now).reason == "seed 0: spends 1 recomputations, was 0"
    assert judged(cells(), now).reason == "the same bits; spends 0 recomputations, was 1"


def test_one_of_several_that_failed_before_leaves_the_others() -> None:
    before = cells()
    before[0] = cells(status="failed", reason="NaN")[0]
    found = judged(cells(), before)
    assert (found.verdict, found.seeds) == ("pass", 2)
    only = judged(cells()[:1], before[:1])
    assert (only.verdict, only.reason, only.seeds) == ("improved", "was failed", 1)
    still = judged([before[0]], [before[0]])
    assert (still.verdict, still.seeds, still.shift) == ("pass", 1, None)


def test_a_group_with_a_new_seed_is_compared_over_the_old_ones() -> None:
    found = judged(cells(), cells(OLD[:2]))
    assert (found.verdict, found.seeds, found.reason) == ("pass", 2, "the same bits")
    assert judged(cells(status=None)).seeds == 0


def test_an_accuracy_of_nothing_is_a_number() -> None:
    found = judged(cells([0.0, 0.0, 0.0]), cells([0.0, 0.0, 0.0]))
    assert (found.before, found.now, found.shift.mean) == (0.0, 0.0, 0.0)
    fallen = judged(cells([0.0, 0.0, 0.0]), cells([2.0, 2.0, 2.0]))
    assert (fallen.before, fallen.now) == (2.0, 0.0)


def timed(cell: Cell, seconds: float) -> Cell:
    return cell._replace(record=cell.record.model_copy(update={"yardstick_seconds": seconds}))


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "same"), (1.4, "same"), (1.6, "slower"), (0.5, "faster")]
)
def test_times_are_ratios_to_the_yardstick(factor, verdict) -> None:
    # The machine of today is three times slower: seconds alone would all be called slower.
    before = results(cells(), prune_seconds=1.0, yardstick_seconds=0.05)
    now = [changed(cell, prune_seconds=3.0 * factor) for cell in cells()]
    assert timings(now, before, Gate()) == []  # without a yardstick there is nothing to say
    (found,) = timings([timed(cell, 0.15) for cell in now], before, Gate())
    assert found.verdict == verdict
    assert found.factor == pytest.approx(factor)
