"""A field of a record is declared once: its column, summary, cost and place on the page follow."""

from typing import Annotated

import pandas as pd
import pytest
from pydantic import BaseModel
from support.pages import data
from support.records import make_cell, make_job

from bench.jobs.cell import Cell
from bench.jobs.measure import Measure, declared
from bench.jobs.record import Record
from bench.report import frame, summary, write_report
from bench.report.columns import columns

ENERGY = Measure(
    "energy", "nats", over_seeds=("min", "median"), cost="median\njoules", over_cells="median"
)


class Measured(Record):
    """A record that knows two things more."""

    energy_joules: Annotated[float | None, ENERGY] = None
    cache_misses: Annotated[int | None, Measure("cache misses", before="flops")] = None
    host: str = ""


def measured_cells() -> list[Cell]:
    cells = [make_cell("a", make_job(sparsity=s, seed=n)) for s in (0.5, 0.9) for n in range(3)]
    found = [
        Cell(
            cell.label,
            cell.job,
            Measured(**dict(cell.record), energy_joules=1.5 + index, cache_misses=100 * index),
        )
        for index, cell in enumerate(cells)
    ]
    return [*found, Cell("a", make_job(sparsity=0.98), None)]


def test_the_frame_has_a_column_of_the_declared_type() -> None:
    table = frame(measured_cells())
    assert table.energy_joules.tolist()[:6] == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    assert (table.energy_joules.dtype, table.cache_misses.dtype) == ("float64", "Int64")
    assert table.loc[6, ["energy_joules", "cache_misses"]].isna().all()
    names = list(table)
    assert names.index("cache_misses") == names.index("flops") - 1
    assert "host" not in names


def test_the_summary_takes_of_the_seeds_what_is_declared() -> None:
    cells = measured_cells()
    means = summary(frame(cells), Measured)
    assert means.energy_joules_min.tolist()[:2] == [1.5, 4.5]
    assert means.energy_joules_median.tolist()[:2] == [2.5, 5.5]
    own = {"energy_joules_min", "energy_joules_median"}
    assert set(means) - set(summary(frame(cells))) == own


def test_files_and_page_of_a_report_hold_the_new_fields(tmp_path) -> None:
    write_report("x", "", measured_cells(), tmp_path)
    cells, means = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("cells", "summary"))
    assert cells.cache_misses.tolist()[:6] == [0, 100, 200, 300, 400, 500]
    assert means.energy_joules_median.tolist()[:2] == [2.5, 5.5]
    head, body = cost_lines((tmp_path / "report.md").read_text())
    assert body[head.index("median joules")] == "4"
    page = data((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page["records"]["energy_joules"][:3] == [1.5, 2.5, 3.5]
    assert page["means"]["energy_joules_min"][:2] == [1.5, 4.5]
    listed = {part["name"]: (part["heading"], part["unit"]) for part in page["listed"]}
    assert listed["energy_joules"] == ("energy", "nats")
    assert listed["cache_misses"] == ("cache misses", "")


def cost_lines(page: str) -> list[list[str]]:
    """The head of the table of costs, and its line of the method `a`, each as its cells."""
    lines = page[page.index("Cost of pruning") :].splitlines()
    found = [next(line for line in lines if line.startswith(s)) for s in ("| method", "| a ")]
    return [[part.strip() for part in line.split("|")] for line in found]


def test_every_column_of_a_record_is_named_in_words() -> None:
    every = [*declared(Record), *columns().environment]
    assert len(every) > 20
    assert all(column.measure.label for column in every)
    assert len({column.name for column in every}) == len(every)


def test_a_column_before_none_is_a_mistake() -> None:
    class Odd(BaseModel):
        lost: Annotated[int, Measure("lost", before="nothing")] = 0

    with pytest.raises(TypeError, match="lost comes before nothing"):
        declared(Odd)
