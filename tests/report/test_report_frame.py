"""The grid as a data frame: nothing that failed, or hasn't run, gets lost or becomes a number."""

import math
import statistics
import time
from typing import Any

import pytest
from support.records import SPARSITIES, make_cell, make_grid, make_job

from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.report import frame, summary


def row(cells: list[Cell], **where: Any) -> Any:
    result = summary(frame(cells))
    for name, value in where.items():
        result = result[result[name] == value]
    assert len(result) == 1
    return result.iloc[0]


def test_one_row_a_cell_with_missing_ones_as_missing() -> None:
    cells = make_grid()
    table = frame(cells)
    assert len(table) == len(cells) == 120
    assert table.status.value_counts().to_dict() == {
        "ok": 112,
        "missing": 4,
        "over-budget": 3,
        "failed": 1,
    }
    assert table[table.status == "missing"].accuracy.isna().all()
    assert table.key.tolist() == [cell.job.key for cell in cells]
    assert table.limit_backward_passes.unique().tolist() == [5000]


def test_compression_counts_what_cannot_be_pruned_as_kept() -> None:
    cell = make_cell("a", make_job(), nonzero=1, prunable=8, parameters=10, flops=3, dense_flops=12)
    table = frame([cell])
    assert table.compression[0] == pytest.approx(10 / 3)
    assert table.speedup[0] == pytest.approx(4)


def test_summary_is_mean_and_sample_deviation_of_the_seeds() -> None:
    values = [90.0, 91.5, 89.1]
    cells = [make_cell("a", make_job(seed=n), accuracy=v) for n, v in enumerate(values)]
    found = row(cells)
    assert found.accuracy_mean == pytest.approx(statistics.mean(values))
    assert found.accuracy_std == pytest.approx(statistics.stdev(values))
    assert (found.accuracy_min, found.accuracy_max) == (89.1, 91.5)
    assert (found.ok, found.expected, found.status, found.problems) == (3, 3, "ok", "")


def test_one_seed_has_no_deviation() -> None:
    assert math.isnan(row([make_cell("a", make_job())]).accuracy_std)


def test_a_failed_seed_is_counted_and_named_and_not_averaged() -> None:
    cells = [
        make_cell("a", make_job(seed=0), accuracy=90.0),
        make_cell("a", make_job(seed=1), "failed", accuracy=10.0, reason="no\n memory"),
        make_cell("a", make_job(seed=2), None),
    ]
    found = row(cells)
    assert found.accuracy_mean == 90.0
    assert (found.ok, found.expected, found.status) == (1, 3, "partial")
    assert found.problems == "seed 1: failed (no memory); seed 2: has not run"


def test_a_cell_without_any_result_shows_what_became_of_it() -> None:
    cells = [
        make_cell("a", make_job(seed=0), None),
        make_cell("a", make_job(seed=1), "over-budget", reason="too many"),
        make_cell("a", make_job(seed=2), "over-budget", reason="too many"),
    ]
    found = row(cells)
    assert (found.ok, found.status) == (0, "over-budget")
    assert math.isnan(found.accuracy_mean)
    assert found.problems == "seed 0: has not run; seeds 1, 2: over-budget (too many)"
    assert row(cells[:1]).status == "missing"


def test_a_success_without_an_accuracy_is_a_failure() -> None:
    found = row([make_cell("a", make_job(), accuracy=None)])
    assert (found.status, found.ok) == ("failed", 0)
    assert "no accuracy" in found.problems


def test_labels_come_in_the_order_of_the_study_and_sparsities_ascend() -> None:
    cells = make_grid()
    result = summary(frame(cells[::-1]))
    assert list(dict.fromkeys(result.label)) == ["woodfisher", "obd", "magnitude", "random"]
    assert result.sparsity.head(5).tolist() == list(SPARSITIES)
    assert len(result) == 40


def test_protocols_are_not_averaged_together() -> None:
    table = frame([make_cell("a", make_job(seed=seed)) for seed in range(2)])
    table.loc[1, "protocol"] = "gradual"
    assert summary(table).expected.tolist() == [1, 1]


def test_two_cells_that_the_tables_cannot_tell_apart_are_refused() -> None:
    cells = [make_cell("a", make_job(hyperparameters={"m": m})) for m in (1, 2)]
    with pytest.raises(UserError, match=r"'a'.*label of its own"):
        frame(cells)


def test_no_cells_give_an_empty_summary() -> None:
    assert summary(frame([])).empty


@pytest.mark.timeout(60)
@pytest.mark.speed
def test_ten_thousand_cells_take_seconds() -> None:
    one = make_cell("a", make_job())
    cells = [
        Cell(str(n // 1000), make_job(sparsity=(n % 1000 // 5) / 200, seed=n % 5), one.record)
        for n in range(10_000)
    ]
    start = time.perf_counter()
    assert len(summary(frame(cells))) == 2000
    assert time.perf_counter() - start < 10
