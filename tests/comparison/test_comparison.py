"""A comparison of records: its numbers, its ranks, and what it leaves out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.comparisons import METHODS, gathered, grid
from support.records import make_cell, make_grid, make_job

from bench.common.errors import UserError
from bench.comparison import Comparison, compare, comparison_text, gather
from bench.comparison.paired import AREA
from bench.comparison.ranks import Ranks
from bench.jobs.cell import Cell
from bench.jobs.store import RecordStore


def number(comparison: Comparison, label: str, sparsity: float, quantity: str = "accuracy") -> Any:
    rows = comparison.numbers
    rows = rows[(rows.label == label) & (rows.quantity == quantity) & (rows.allocation == "global")]
    return rows.iloc[0] if quantity == AREA else rows[rows.sparsity == sparsity].iloc[0]


def ranks_of(cells: list[Cell]) -> Ranks:
    """The one ranking of cells of one protocol."""
    (one,) = compare("x", gathered(cells)).ranked
    return one.ranks


def accuracies(cells: list[Cell], method: str, sparsity: float) -> list[float]:
    return [
        cell.record.accuracy
        for cell in cells
        if cell.record and cell.label == method and cell.job.allocation == "global"
        if cell.job.sparsity == sparsity
    ]


def test_differences_are_paired_by_seed_whatever_the_order() -> None:
    cells = grid()
    found = number(compare("x", gathered(cells[::-1])), "woodfisher", 0.8)
    ours, theirs = (accuracies(cells, name, 0.8) for name in ("woodfisher", "magnitude"))
    test = stats.ttest_rel(ours, theirs)
    interval = test.confidence_interval(0.95)
    assert (found.n, found.paired, found.baseline) == (3, 3, "magnitude")
    assert found["mean"] == pytest.approx(np.mean(ours))
    assert found["std"] == pytest.approx(np.std(ours, ddof=1))
    assert found.difference == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(test.pvalue)
    assert found.standing == "best"
    assert number(compare("x", gathered(cells)), "obd", 0.8).standing == "second"


def test_only_seeds_that_both_have_are_paired() -> None:
    cells = [
        make_cell(cell.label, cell.job, "failed")
        if (cell.label, cell.job.sparsity, cell.job.seed) == ("obd", 0.8, 0)
        else cell
        for cell in grid()
    ]
    found = number(compare("x", gathered(cells)), "obd", 0.8)
    ours, theirs = accuracies(cells, "obd", 0.8)[1:], accuracies(cells, "magnitude", 0.8)[1:]
    assert (found.n, found.paired) == (2, 2)
    assert found.difference == pytest.approx(np.mean(np.subtract(ours, theirs)))
    assert number(compare("x", gathered(cells)), "obd", 0, AREA).n == 2


def test_areas_are_over_the_sparsities_that_all_methods_have() -> None:
    cells = grid()
    found = number(compare("x", gathered(cells)), "woodfisher", 0, AREA)
    curves = np.array([accuracies(cells, "woodfisher", s) for s in (0.5, 0.8, 0.9)])
    by_hand = (0.3 * (curves[0] + curves[1]) / 2 + 0.1 * (curves[1] + curves[2]) / 2) / 0.4
    assert found["mean"] == pytest.approx(by_hand.mean())
    assert found["std"] == pytest.approx(by_hand.std(ddof=1))
    short = [cell for cell in cells if (cell.label, cell.job.sparsity) != ("obd", 0.9)]
    comparison = compare("x", gathered(short))
    by_hand = (curves[0] + curves[1]) / 2
    assert number(comparison, "woodfisher", 0, AREA)["mean"] == pytest.approx(by_hand.mean())
    table = next(table for table in comparison.tables if table.kind == "compare-area")
    assert "2 common sparsities from 50 to 80 % (1 left out" in table.caption


def test_blocks_need_a_result_of_every_method() -> None:
    ranks = ranks_of(make_grid())
    assert (ranks.blocks, ranks.dropped, ranks.lacking) == (8, 2, ("obd", "woodfisher"))
    assert ranks.ranking and ranks.ranking.blocks == 8
    ordered = sorted(zip(ranks.ranking.ranks, ranks.labels, strict=True))
    assert ordered[0][1] == "woodfisher" and ordered[-1][1] == "random"


def test_methods_without_a_seed_in_common_both_lack_it() -> None:
    seeds = {"magnitude": (0, 1, 2), "obd": (0, 1), "woodfisher": (2,)}
    cells = [
        make_cell(cell.label, cell.job, "ok" if cell.job.seed in seeds[cell.label] else "failed")
        if cell.job.sparsity == 0.8
        else cell
        for cell in grid()
    ]
    ranks = ranks_of(cells)
    assert (ranks.blocks, ranks.dropped, ranks.lacking) == (4, 2, ("obd", "woodfisher"))


def test_a_block_is_ranked_over_the_seeds_that_all_methods_have() -> None:
    # Over its own seeds obd would be ahead, over the common ones it isn't.
    cells = [
        make_cell(cell.label, cell.job, accuracy=99.0 if cell.job.seed == 2 else 10.0)
        if cell.label == "obd"
        else make_cell(cell.label, cell.job, "failed" if cell.job.seed == 2 else "ok")
        for cell in grid()
    ]
    ranks = ranks_of(cells)
    assert ranks.ranking
    assert ranks.ranking.ranks.tolist() == [1.5, 3.0, 1.5]


def test_dense_blocks_are_not_ranked() -> None:
    dense = [
        make_cell(method, make_job(method, sparsity=0.0, seed=seed))
        for method in METHODS
        for seed in range(3)
    ]
    assert ranks_of([*grid(), *dense]).blocks == 6


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (grid(methods=("magnitude", "obd")), "6 blocks and 2 methods"),
        ([cell for cell in grid() if cell.job.sparsity > 0.5], "4 blocks and 3 methods"),
    ],
)
def test_too_few_blocks_or_methods_are_a_sentence(cells: list[Cell], words: str) -> None:
    comparison = compare("x", gathered(cells))
    assert ranks_of(cells).ranking is None
    assert words in comparison.statements[0]
    assert words in comparison_text(comparison)


def test_a_method_without_any_result_is_left_out_and_said() -> None:
    cells = [*grid(), make_cell("str", make_job("str"), "over-budget", reason="too many steps")]
    comparison = compare("x", gathered(cells))
    assert ranks_of(cells).ranking
    assert "Without any result and left out: str." in comparison.statements
    assert "over-budget" in comparison_text(comparison)


def test_what_was_spent_stands_beside_the_areas() -> None:
    table = compare("x", gathered(grid())).tables[2]
    assert list(table.columns[2:]) == ["calibration\nexamples", "backward\npasses"]
    spent = {row.heading: [cell.text for cell in row.table_cells[2:]] for row in table.rows}
    assert spent == {"magnitude": ["0", "0"], "obd": ["1,000"] * 2, "woodfisher": ["1,000"] * 2}
    assert [cell.text for cell in table.lead[0].table_cells[2:]] == ["1,000", "5,000"]


def test_one_seed_has_no_intervals_and_says_so() -> None:
    comparison = compare("x", gathered(grid(seeds=1)))
    assert comparison.numbers[["low", "high", "p", "std"]].isna().all(axis=None)
    assert not comparison.numbers.significant.any()
    assert set(comparison.numbers.standing) == {""}
    assert "one seed, so there is no interval and no test" in comparison.tables[1].caption
    assert "nan" not in comparison_text(comparison).lower()


def test_the_baseline_is_chosen_or_refused() -> None:
    assert compare("x", gathered(grid())).baseline == "magnitude"
    assert compare("x", gathered(grid(methods=("obd", "woodfisher")))).baseline == "obd"
    chosen = compare("x", gathered(grid()), "obd")
    assert number(chosen, "magnitude", 0.8).difference < 0
    assert "Ranked significantly better than obd" in " ".join(chosen.statements)
    with pytest.raises(UserError, match="no method of this study called 'magnitud'.*'magnitude'"):
        compare("x", gathered(grid()), "magnitud")
    lost = [make_cell(c.label, c.job, "failed" if c.label == "obd" else "ok") for c in grid()]
    with pytest.raises(UserError, match="baseline 'obd' has no result"):
        compare("x", gathered(lost), "obd")


def test_where_the_baseline_has_no_result_is_said() -> None:
    """The place among several, and the protocol alone where it is so in all of its places."""
    trained = grid(protocol="fine-tune")
    cells = [
        make_cell(
            cell.label,
            cell.job,
            "failed" if cell.label == "magnitude" and cell.job.allocation in lost else "ok",
        )
        for some, lost in ((grid(), {"layerwise"}), (trained, {"global", "layerwise"}))
        for cell in some
    ]
    sentence = "There are no differences to magnitude under {}, as it has no result there{}."
    assert [note for note in compare("x", gathered(cells)).notes if "differences" in note] == [
        sentence.format("one-shot", " (resnet20-cifar10, layerwise)"),
        sentence.format("fine-tune", ""),
    ]


def test_nothing_to_compare_is_one_sentence() -> None:
    with pytest.raises(UserError, match="no records of the study 'x'"):
        compare("x", gathered([Cell(cell.label, cell.job, None) for cell in grid()]))
    with pytest.raises(UserError, match="two or more methods with results.*one: magnitude"):
        compare("x", gathered(grid(methods=("magnitude",))))
    with pytest.raises(UserError, match="the records have none"):
        compare("x", gathered([make_cell("a", make_job("a"), "failed")]))


def stored(folder: Path, cells: list[Cell]) -> RecordStore:
    store = RecordStore(folder, "example")
    store.prepare()
    for cell in cells:
        if cell.record:
            store.write(cell.record)
    return store


def test_gaps_are_filled_by_runs_with_other_settings(tmp_path: Path) -> None:
    job = make_job("obd")
    cells = [Cell("obd", job), Cell("magnitude", make_job("magnitude"))]
    other = make_cell("obd", make_job("obd", hyperparameters={"samples": 7}), accuracy=70.0)
    later = make_job("obd", hyperparameters={"samples": 9})
    last = make_cell("obd", later, accuracy=71.0)
    assert last.record
    last = last._replace(record=last.record.model_copy(update={"finished": "2027-01-01T00:00:00Z"}))
    alien = make_cell("obd", make_job("obd", seed=5))
    store = stored(tmp_path, [other, alien, make_cell("magnitude", make_job("magnitude"))])
    found = gather(cells, store)
    assert [cell.job.hyperparameters for cell in found.cells] == [{"samples": 7}, {}]
    assert (found.contested, found.left_out) == (0, 1)

    stored(tmp_path, [last])
    found = gather(cells, store)
    assert found.cells[0].job.hyperparameters == {"samples": 9}
    assert (found.contested, found.left_out) == (1, 2)
    with pytest.raises(UserError, match="1 cells have several records"):
        compare("x", found)

    stored(tmp_path, [make_cell("obd", job)])
    found = gather(cells, store)
    assert found.cells[0].job == job
    assert (found.contested, found.left_out) == (0, 3)


def test_sanity_controls_are_no_competitors(tmp_path: Path) -> None:
    control = "shuffled mask"
    controls = [
        make_cell(f"{cell.label} [{control}]", cell.job.model_copy(update={"control": control}))
        for cell in grid()
    ]
    cells = [Cell(cell.label, cell.job) for cell in [*grid(), *controls]]
    found = gather(cells, stored(tmp_path, [*grid(), *controls]))
    comparison = compare("x", found)
    assert comparison.ranked[0].ranks.labels == METHODS
    assert set(comparison.numbers.label) == set(METHODS)
    assert (found.left_out, found.controls) == (0, 3)
    assert "3 sanity controls were left out" in comparison_text(comparison)
    with pytest.raises(UserError, match="Valid names: magnitude, obd, woodfisher"):
        compare("x", found, f"obd [{control}]")
