"""What a comparison holds equal, what it refuses, and how --anyway marks it."""

import pytest
from support.comparisons import altered, gathered, grid
from support.records import BUDGET, make_cell, make_job

from bench.common.errors import UserError
from bench.comparison import compare, comparison_text
from bench.comparison.conditions import conditions
from bench.jobs.budget import Budget
from bench.jobs.cell import Cell
from bench.jobs.recipe import Recipe


def trained(cells: list[Cell], **epochs: int) -> list[Cell]:
    return [
        cell._replace(
            record=cell.record.model_copy(
                update={"training": Recipe(epochs=epochs[cell.label], learning_rate=0.1)}
            )
        )
        for cell in cells
        if cell.record
    ]


DIFFERENT = {
    "budget": (
        altered(grid(), "obd", budget=Budget(calibration_examples=1000, backward_passes=9000)),
        r"rows differ in the budget's backward passes \(5,000 for magnitude, woodfisher; 9,000 for "
        r"obd\) in resnet20-cifar10, global, one-shot and 1 more table",
    ),
    "checkpoint": (
        altered(grid(), "obd", checkpoint_sha256="f" * 64),
        r"in the dense checkpoint \(sha256 e08b9b71ee33 for magnitude, woodfisher; sha256 "
        r"ffffffffffff for obd\)",
    ),
    "pair": (
        altered(grid(), "obd", pair_sha256="a" * 64),
        r"in the pair's settings and model \(none for magnitude, woodfisher; sha256 aaaaaaaaaaaa",
    ),
    "data": (altered(grid(), "obd", data_sha256="b" * 64), r"in the data \(none for magnitude"),
    "harness": (
        altered(
            altered(grid(), "obd", harness_sha256="1" * 64), "magnitude", harness_sha256="2" * 64
        ),
        r"in the harness's code \(sha256 222222222222 for magnitude; sha256 111111111111 for obd; "
        r"none for woodfisher\)",
    ),
    "recalibration": (
        altered(grid(), "obd", recalibration=128),
        r"in the BatchNorm recalibration .*128 examples for obd",
    ),
    "training": (
        trained(grid(), magnitude=10, obd=10, woodfisher=20),
        r"in the training's epochs \(10 for magnitude, obd; 20 for woodfisher\)",
    ),
    "training or none": (
        [*trained(grid(methods=("obd",)), obd=5), *grid(methods=("magnitude",))],
        r"in the training's epochs \(5 for obd; none for magnitude\)",
    ),
    "test split": (altered(grid(), "obd", test_examples=1000), "rows differ in the test images"),
    "fields": (
        [
            *grid(),
            *(
                make_cell(
                    "obd", make_job("obd", seed=7, sparsity=s, hyperparameters={"samples": n})
                )
                for s, n in ((0.5, 10), (0.8, 20))
            ),
        ],
        r"the field samples of obd differs \(None and 10 and 20\)",
    ),
    "code": (
        [
            *grid(),
            *altered([make_cell("obd", make_job("obd", seed=7))], "obd", source_sha256="1" * 64),
        ],
        "the cells of obd ran different versions of its code",
    ),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_unequal_rows_are_refused_and_marked_with_anyway(what: str) -> None:
    cells, words = DIFFERENT[what]
    with pytest.raises(UserError, match=f"This is no fair comparison: .*{words}.*--anyway"):
        compare("x", gathered(cells))
    comparison = compare("x", gathered(cells), anyway=True)
    for text in (comparison_text(comparison), *(table.caption for table in comparison.tables)):
        assert "NOT A FAIR COMPARISON (--anyway)" in text


def test_what_was_held_equal_is_on_every_table_and_only_that() -> None:
    comparison = compare("x", gathered(grid()))
    for table in comparison.tables[:3]:
        assert (
            "Held equal in all rows: allocation (global), protocol (one-shot), BatchNorm "
            "recalibration (0 examples), budget (calibration examples 1,000, backward passes 5,000,"
        ) in table.caption
        assert "training (none), schedule (none), dense checkpoint (sha256 e08b" in table.caption
        assert "tuning trials 0" in table.caption and "training steps taken (0)" in table.caption
        assert "FAIR" not in table.caption
    unequal = altered(grid(), "obd", checkpoint_sha256="f" * 64)
    held = compare("x", gathered(unequal), anyway=True).conditions.held
    assert "dense checkpoint" not in held and "protocol (one-shot)" in held


def test_checkpoints_may_differ_between_pairs() -> None:
    other = altered(grid(pair="other"), "magnitude")
    other = [
        cell._replace(record=cell.record.model_copy(update={"checkpoint_sha256": "a" * 64}))
        for cell in other
        if cell.record
    ]
    found = compare("x", gathered([*grid(), *other]))
    assert found.ranked[0].ranks.blocks == 12
    assert "dense checkpoint (equal in each table)" in found.conditions.held


def test_spent_steps_and_environments_are_said_but_not_refused() -> None:
    steps = BUDGET.model_copy(update={"training_steps": 0})
    spent = altered(grid(), "obd", spent=steps.model_copy(update={"training_steps": 500}))
    found = conditions(spent)
    assert found.differing == ()
    assert (
        "training steps taken differ (0 for magnitude, woodfisher; 500 for obd)"
        in (found.remarks[0])
    )
    assert "training steps taken" not in found.held
    record = grid()[0].record
    assert record
    threads = record.environment.model_copy(update={"threads": 16})
    found = conditions(altered(grid(), "obd", environment=threads))
    assert found.remarks == ("The records' environments differ in threads (2, 16).",)


def test_nothing_is_bold_where_the_rows_are_not_comparable() -> None:
    for cells, bold in ((grid(), True), (altered(grid(), "obd", data_sha256="b" * 64), False)):
        found = compare("x", gathered(cells), anyway=True)
        ranks = {
            cell.rank for table in found.tables for row in table.rows for cell in row.table_cells
        }
        assert ("best" in ranks) is bold
        assert ("best" in set(found.numbers.standing)) is bold


def test_a_significant_difference_has_a_footnote_and_is_not_bold() -> None:
    found = compare("x", gathered(grid()))
    tables = [table for table in found.tables if table.kind == "compare-difference"]
    cells = [cell for table in tables for row in table.rows for cell in row.table_cells]
    assert {cell.rank for cell in cells} == {""}
    at_sparsities = found.numbers[found.numbers.quantity == "accuracy"]
    marked = sum(cell.mark == "a" for cell in cells)
    assert 0 < marked == at_sparsities.significant.sum() < len(cells)
    assert tables[0].notes == [
        ("a", "differs from 0, p < 0.05 after Holm's correction over the methods of a column")
    ]
