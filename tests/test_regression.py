"""What changed since the baseline gets the right verdict, in an equal environment or another."""

import pytest
from records import ENVIRONMENT, make_cell, make_job

from bench.baseline import Result
from bench.budget import Budget
from bench.curves import compare_curves
from bench.gate import Gate
from bench.pace import timings
from bench.regression import Comparison, compare, identical
from bench.report import Cell

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


def judged(now: list[Cell], before: list[Cell] | None = None, **gate: object) -> Comparison:
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
    assert found.seeds == 3 and found.place.sparsity is None


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


def timed(cell: Cell, seconds: float) -> Cell:
    return cell._replace(record=cell.record.model_copy(update={"calibration_seconds": seconds}))


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "same"), (1.4, "same"), (1.6, "slower"), (0.5, "faster")]
)
def test_times_are_ratios_to_the_yardstick(factor, verdict) -> None:
    # The machine of today is three times slower: seconds alone would all be called slower.
    before = results(cells(), prune_seconds=1.0, calibration_seconds=0.05)
    now = [changed(cell, prune_seconds=3.0 * factor) for cell in cells()]
    assert timings(now, before, Gate()) == []  # without a yardstick there is nothing to say
    (found,) = timings([timed(cell, 0.15) for cell in now], before, Gate())
    assert found.verdict == verdict
    assert found.factor == pytest.approx(factor)
