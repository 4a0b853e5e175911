"""The cost table: what each method took and spent, beneath what it was allowed."""

import pandas as pd

from bench.jobs.measure import Measure
from bench.jobs.record import Record
from bench.report.captions import cost_caption, only_protocol, setting
from bench.report.columns import RESOURCES, columns
from bench.report.numerals import DASH, seconds
from bench.report.tables.tables import Row, Table, TableCell


def cost_table(cells: pd.DataFrame, means: pd.DataFrame, model: type[Record] = Record) -> Table:
    """What records declare as costs, and the budget, of each method over the cells that are ok.

    `model` is the type of the records. What only some records know, such as the time of training,
    has a column where one of these cells knows it. The budget stands beneath its limits.
    """
    limits = cells[[f"limit_{name}" for name in RESOURCES]].max()
    allowed = [name for name in RESOURCES if limits[f"limit_{name}"]]
    costs = {
        name: measure
        for name, measure in columns(model).costs.items()
        if not measure.cost_if_known or cells[name].notna().any()
    }
    labels = list(dict.fromkeys(means.label))
    parts = dict(iter(cells.groupby("label", sort=False)))
    lead = [TableCell("")] * (1 + len(costs))
    lead += [TableCell(f"{limits[f'limit_{name}']:,}") for name in allowed]
    return Table(
        pair=str(means.pair.iloc[0]),
        kind="cost",
        setting=setting(cells),
        caption=cost_caption(cells),
        corner="method",
        columns=[
            "cells\nok",
            *(measure.cost for measure in costs.values()),
            *(name.replace("_", "\n") for name in allowed),
        ],
        allocation=str(means.allocation.iloc[0]),
        protocol=only_protocol(cells),
        lead=[Row("limit", lead)],
        rows=[Row(label, _cost(parts[label], costs, allowed)) for label in labels],
    )


def _cost(cells: pd.DataFrame, costs: dict[str, Measure], allowed: list[str]) -> list[TableCell]:
    good = cells[cells.status == "ok"]
    spent = [good[f"spent_{name}"].max() for name in allowed]
    return [
        TableCell(f"{len(good)}/{len(cells)}"),
        *(TableCell(_written(good[name], measure)) for name, measure in costs.items()),
        *(TableCell(DASH if pd.isna(count) else f"{count:,}") for count in spent),
    ]


def _written(values: pd.Series, measure: Measure) -> str:
    """What the values come to, in seconds, MiB, TFLOPs, or as they are."""
    value = values.agg(measure.over_cells)
    if measure.unit == "s":
        return seconds(value)
    if pd.isna(value):
        return DASH
    if measure.unit == "bytes":
        return f"{value / 2**20:,.1f}"
    return f"{value / 1e12:,.3g}" if measure.unit == "FLOPs" else f"{value:,.4g}"
