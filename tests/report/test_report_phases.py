"""Where the time goes: seconds by phase in the frame, the tables, the figure and the page."""

import statistics

import numpy as np
import pandas as pd
import pytest
from support.drawn import draw, panels
from support.pages import data, make_page, own
from support.records import SHARES, make_cell, make_grid, make_job

from bench.jobs.cell import Cell
from bench.jobs.findings import PARTS
from bench.report import frame, summary
from bench.report.columns import PART_SECONDS
from bench.report.tables.phases import phase_medians, phase_table

HALVES = {"gradients": 0.5, "inverse": 0.25}


def divided(label: str = "a", seconds: float = 1.0, **phases: float) -> Cell:
    return make_cell(label, make_job(label), prune_seconds=seconds, phase_seconds=phases)


def test_parts_sum_to_the_pruning_time_and_old_records_have_none() -> None:
    table = frame([divided(**HALVES), make_cell("old", make_job("old"))])
    assert table.loc[0, list(PART_SECONDS)].tolist() == [0.5, 0.25, 0.0, 0.0, 0.25]
    assert table.loc[1, list(PART_SECONDS)].isna().all()
    grid = frame(make_grid())
    known = grid[grid.status == "ok"]
    np.testing.assert_allclose(known[list(PART_SECONDS)].sum(axis=1), known.prune_seconds)


def test_the_rest_is_never_less_than_nothing() -> None:
    assert frame([divided(seconds=1.0, gradients=1.0 + 1e-9)]).rest_seconds[0] == 0.0


def test_the_summary_has_the_median_of_each_part() -> None:
    table = frame(make_grid())
    row = summary(table).iloc[0]
    where = (table.label == row.label) & (table.sparsity == row.sparsity)
    seconds = table[where & (table.allocation == row.allocation)].selection_seconds
    assert row.selection_seconds_median == statistics.median(seconds)


def test_medians_leave_out_what_failed_and_what_is_not_divided() -> None:
    cells = [
        divided(**HALVES),
        make_cell("a", make_job("a", seed=1), "failed", prune_seconds=9.0, phase_seconds=HALVES),
        make_cell("a", make_job("a", seed=2), prune_seconds=9.0),
        make_cell("b", make_job("b")),
    ]
    found = phase_medians(frame(cells))
    assert found.loc["a"].tolist() == [0.5, 0.25, 0.0, 0.0, 0.25, 1.0]
    assert found.index.tolist() == ["a", "b"] and found.loc["b"].isna().all()


def test_the_table_shows_a_gap_as_a_gap_and_nothing_as_nothing() -> None:
    table = phase_table(frame([divided(**HALVES), make_cell("b", make_job("b"))]))
    assert [cell.text for cell in table.rows[0].table_cells] == [
        *("1.0", "0.50", "0.25", "0", "0", "0.25")
    ]
    assert {cell.text for cell in table.rows[1].table_cells} == {"–"}
    assert table.notes == [("–", "no record that divides its time")]
    assert phase_table(frame([make_cell("b", make_job("b"))])) is None


def test_bars_are_shares_of_the_time_with_the_whole_beside_them() -> None:
    figure = draw("phases", make_grid())
    assert len(panels(figure)) == 2
    for axes in panels(figure):
        bars = pd.DataFrame(
            {part.get_label(): [bar.get_width() for bar in part] for part in axes.containers},
            index=["random", "magnitude", "obd", "woodfisher"],
        )
        np.testing.assert_allclose(bars.sum(axis=1), 100)
        expected = [100 * SHARES[True][part] for part in PARTS[:-1]]
        np.testing.assert_allclose(bars.loc["obd"][:-1], expected, rtol=1e-6)
    assert [text.get_text()[-2:] for text in panels(figure)[0].texts] == [" s"] * 4


def test_a_method_whose_records_are_not_divided_says_so_in_the_figure() -> None:
    figure = draw("phases", [divided(**HALVES), make_cell("b", make_job("b"))])
    assert draw("phases", [make_cell("b", make_job("b"))]) is None
    assert [text.get_text() for text in panels(figure)[0].texts] == ["1.0 s", "not divided"]


@pytest.mark.parametrize("known", [True, False])
def test_the_page_has_the_section_where_records_divide_their_time(known: bool, tmp_path) -> None:
    text = make_page([divided(**HALVES) if known else make_cell("a", make_job("a"))], tmp_path)
    for said in ('id="phases"', 'href="#phases"', "Time by phase"):
        assert (said in own(text)) is known
    assert data(text)["means"]["gradients_seconds_median"] == [0.5 if known else None]
