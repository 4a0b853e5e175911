"""What is bold: one rule in the report and in a comparison, by scipy's tests and by hand."""

import itertools

import numpy as np
import pytest
from scipy.stats import ttest_rel
from statsmodels.stats.multitest import multipletests
from support.comparisons import gathered
from support.records import make_cell, make_job

from bench.common.statistics.contest import contest
from bench.comparison import compare
from bench.jobs.cell import Cell
from bench.jobs.job import Control
from bench.report import frame, summary
from bench.report.best import leads
from bench.report.panels import tables
from bench.report.tables.tables import Table

NAN = float("nan")


def cells_of(accuracies: dict[str, list[float]], **changes: object) -> list[Cell]:
    """A cell a seed of each label; NaN is a seed that failed."""
    return [
        make_cell(
            label,
            make_job(label.partition(",")[0], seed=seed, **changes),
            "failed" if np.isnan(value) else "ok",
            **({} if np.isnan(value) else {"accuracy": value}),
        )
        for label, values in accuracies.items()
        for seed, value in enumerate(values)
    ]


def emphasis(found: Table) -> dict[tuple[str, str], str]:
    """What is bold and what is underlined, by heading and column."""
    return {
        (row.heading, column): entry.rank
        for row in found.rows
        for column, entry in zip(found.columns, row.table_cells, strict=True)
        if entry.rank
    }


def in_report(cells: list[Cell]) -> dict[tuple[str, str, str], str]:
    """The emphasis of the report's accuracy tables, with the allocation in front."""
    table = frame(cells)
    return {
        (found.allocation, *place): rank
        for found in tables(table, summary(table))
        if found.kind == "accuracy"
        for place, rank in emphasis(found).items()
    }


def in_comparison(cells: list[Cell]) -> dict[tuple[str, str, str], str]:
    """The emphasis of a comparison's accuracy tables, which are one a protocol."""
    return {
        (found.setting.split(", ")[1].removesuffix(" allocation"), *place): rank
        for found in compare("x", gathered(cells)).tables
        if found.kind == "compare-accuracy"
        for place, rank in emphasis(found).items()
    }


@pytest.mark.parametrize(
    ("first", "second", "clear"),
    [
        # One image of a thousand, twice: what rounding gives by chance.
        ([96.3, 96.3], [96.2, 96.2], None),
        ([96.3, 96.9], [96.2, 96.8], None),
        ([60.0, 61.0], [50.0, 51.0], None),
        # 90.3 - 90.2 and 90.1 - 90.0 differ in their last bits alone.
        ([90.1, 90.3, 90.5], [90.0, 90.2, 90.4], None),
        # Methods that no seed changes.
        ([96.3] * 3, [96.2] * 3, True),
        ([96.3] * 3, [96.3] * 3, False),
        ([90.0, 91.0], [90.0, 91.0], False),
        # t = 20.5 / 0.5 with one degree of freedom: p = 2 atan(1 / 41) / π = 0.0155.
        ([90.0, 91.0], [70.0, 70.0], True),
        # t = 3, p = 2 atan(1 / 3) / π = 0.205.
        ([96.3, 96.4], [96.2, 96.2], False),
        ([90.0], [10.0], None),
        ([90.0, NAN], [10.0, NAN], None),
        ([90.0, 91.0, NAN], [NAN, 10.0, 11.0], None),
    ],
)
def test_two_methods(first: list[float], second: list[float], clear: bool | None) -> None:
    cells = cells_of({"magnitude": first, "obd": second})
    found = contest(np.array([first, second]))
    assert found.clear is clear
    (lead,) = leads(frame(cells), ["sparsity"], ["label"]).values()
    assert lead.clear is clear
    bold = {("global", "magnitude", "90"): "best", ("global", "obd", "90"): "second"}
    assert in_report(cells) == in_comparison(cells) == (bold if clear else {})


def test_p_values_are_scipys_corrected_by_statsmodels_holm() -> None:
    noise = np.random.default_rng(3)
    values = 80 + np.arange(5)[:, None] / 2 + noise.normal(size=(5, 6))
    found = contest(values)
    assert found.order == list(np.argsort(-values.mean(1)))
    alone = [ttest_rel(values[found.order[0]], values[n]).pvalue for n in found.order[1:]]
    np.testing.assert_allclose(found.p_values, multipletests(alone, method="holm")[1])


@pytest.mark.parametrize("others", [2, 3, 6])
def test_what_one_test_shows_many_may_not(others: int) -> None:
    # Each difference has p = 0.026 alone; Holm's correction multiplies the least by their number.
    best, rest = [90.0, 91.0, 92.0], [89.0, 90.2, 90.6]
    assert 0.025 < ttest_rel(best, rest).pvalue < 0.05
    assert in_report(cells_of({"a": best, "b": rest})) != {}
    cells = cells_of({"a": best} | {f"b{n}": rest for n in range(others)})
    assert in_report(cells) == in_comparison(cells) == {}
    (lead,) = leads(frame(cells), ["sparsity"], ["label"]).values()
    assert (lead.clear, lead.rival) == (False, ("b0",))


def test_each_protocol_has_its_own_best() -> None:
    best, rest = [60.0, 60.1, 59.8], [50.0, 50.3, 50.4]
    one_shot = cells_of({"obd, one-shot": best, "magnitude, one-shot": rest})
    trained = {"obd, fine-tune": [70.0, 71.1, 70.7], "magnitude, fine-tune": [93.0, 93.1, 93.3]}
    cells = [*one_shot, *cells_of(trained, protocol="fine-tune")]
    expected = {
        ("global", "obd, one-shot", "90"): "best",
        ("global", "magnitude, one-shot", "90"): "second",
        ("global", "obd, fine-tune", "90"): "second",
        ("global", "magnitude, fine-tune", "90"): "best",
    }
    assert in_report(cells) == in_comparison(cells) == expected


def test_sanity_controls_do_not_compete() -> None:
    values = {"obd": [60.0, 60.1, 59.8], "magnitude": [50.0, 50.3, 50.4]}
    controls: list[Control] = ["shuffled mask", "magnitude in its layers", "shuffled labels"]
    rows = [
        cell
        for control in controls
        for cell in cells_of({f"obd [{control}]": [60.1, 60.1, 60.0]}, control=control)
    ]
    cells = cells_of(values)
    assert in_report([*cells, *rows]) == in_comparison(cells) != {}
    (lead,) = leads(frame([*cells, *rows]), ["sparsity"], ["label"]).values()
    assert (lead.best, lead.second) == (("obd",), ("magnitude",))


@pytest.mark.parametrize("seed", range(4))
def test_report_and_comparison_agree_on_any_grid(seed: int) -> None:
    noise = np.random.default_rng(seed)
    labels = ("magnitude", "obd", "woodfisher")[: 2 + seed % 2]
    cells = []
    for allocation, sparsity in itertools.product(("global", "layerwise"), (0.5, 0.8, 0.9, 0.95)):
        spread = noise.choice([0.0, 0.05, 1.0])
        for place, label in enumerate(labels):
            values = 80 + 2.0 * place + spread * noise.normal(size=2 + seed % 3)
            values = np.where(noise.uniform(size=len(values)) < 0.1, NAN, values.round(1))
            cells += cells_of({label: list(values)}, allocation=allocation, sparsity=sparsity)
    assert in_report(cells) == in_comparison(cells)
