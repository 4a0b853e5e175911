"""The tables of a whole report, and how cells are divided among them."""

from collections.abc import Iterator, Sequence

import pandas as pd

from bench.jobs.record import Record
from bench.report.columns import PANEL
from bench.report.tables.costs import cost_table
from bench.report.tables.phases import phase_table
from bench.report.tables.tables import Table, metric_table

SIDE_BY_SIDE = ["pair", "allocation"]
"""Protocols share a table, since what a reader asks is whether training closes the gap."""


def tables(
    cells: pd.DataFrame, over_seeds: pd.DataFrame, model: type[Record] = Record
) -> list[Table]:
    """Tables of the metric, of cost and, where known, of phases for every pair and allocation.

    `cells` and `over_seeds` are the results of `frame` and `summary`, `model` the type of the
    records.
    """
    return [
        table
        for part, means in panels(cells, over_seeds, SIDE_BY_SIDE)
        for table in (
            metric_table(part, means),
            cost_table(part, means, model),
            phase_table(part),
        )
        if table
    ]


def panels(
    cells: pd.DataFrame, over_seeds: pd.DataFrame, by: Sequence[str] = PANEL
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The cells and the summary of each pair, allocation and protocol, in the summary's order."""
    parts = dict(iter(cells.groupby(list(by), sort=False)))
    for key, means in over_seeds.groupby(list(by), sort=False):
        yield parts[key], means
