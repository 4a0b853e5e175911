"""The study's grid as one flat data frame, where gaps and failures stay."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel

from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.jobs.findings import PHASES
from bench.jobs.job import canonical_json
from bench.jobs.measure import Declared
from bench.jobs.metric import ACCURACY, METRICS
from bench.jobs.record import Record
from bench.report.columns import GROUP, IDENTITY, PART_SECONDS, RESOURCES, Columns, columns


def record_type(cells: Sequence[Cell]) -> type[Record]:
    """The type of a study's records, whose fields say which columns the frame has."""
    return next((type(cell.record) for cell in cells if cell.record is not None), Record)


def frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """The data frame of one study, see `frame_of_cells`.

    Raises `UserError` if two cells differ in nothing that tables show.
    """
    table = frame_of_cells(cells)
    twins = table[table.duplicated([*GROUP, "seed"])]
    if len(twins):
        one = twins.iloc[0]
        raise UserError(
            f"Two cells of the study are both {one.label!r} ({one.pair}, {one.allocation}, "
            f"{one.sparsity:g}, seed {one.seed}): give each variant a label of its own."
        )
    return table


def frame_of_cells(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row for each cell, in the order given; a cell without a record is `missing`.

    The columns are those that the records' fields declare, see `bench.report.columns`.
    `compression` is parameters / nonzero parameters, where everything outside the prunable weights
    counts as kept; `speedup` is theoretical: dense FLOPs / FLOPs. Both are missing where nothing is
    left to divide by. The metric, the score and its like have columns only where some pair is
    judged by another metric than the accuracy. The columns `PART_SECONDS` sum to `prune_seconds`
    where the record divides them, and are missing elsewhere.
    """
    known = columns(record_type(cells))
    table = pd.DataFrame([_row(cell, known) for cell in cells], columns=known.names)
    fractional = [column.name for column in known.numbers]
    table = table.astype(dict.fromkeys(("sparsity", *fractional), "float64"))
    whole = [column.name for column in (*known.counts, *known.environment) if column.type is int]
    budgets = [f"{kind}_{name}" for kind in ("spent", "limit") for name in RESOURCES]
    table = _judged(table.astype(dict.fromkeys(("seed", *whole, *budgets), "Int64")), known)
    kept = table.parameters - table.prunable + table.nonzero
    table["compression"] = _ratio(table.parameters, kept)
    table["speedup"] = _ratio(table.dense_flops, table.flops)
    return table


def _judged(table: pd.DataFrame, known: Columns) -> pd.DataFrame:
    """The table with the metric of every pair, or without what no pair judged by accuracy has."""
    if table.metric.isin([ACCURACY.name]).where(table.metric.notna(), True).all():
        return table.drop(columns=known.if_known)
    own = table.groupby("pair", sort=False).metric.transform("first")
    return table.assign(metric=own.fillna(ACCURACY.name))


def _ratio(whole: pd.Series, part: pd.Series) -> pd.Series:
    """Missing where either is, and where the part is zero."""
    return (whole / part.where(part > 0)).astype("Float64")


def _row(cell: Cell, known: Columns) -> dict[str, Any]:
    job, record = cell.job, cell.record
    row: dict[str, Any] = {"label": cell.label, "key": record.key if record else job.key}
    row |= {name: getattr(job, name) for name in IDENTITY[2:]}
    row |= {"hyperparameters": canonical_json(job.hyperparameters), "control": job.control or ""}
    row |= {name: _said(getattr(job, name)) for name in ("training", "schedule")}
    row |= {f"limit_{name}": getattr(job.budget, name) for name in RESOURCES}
    if record is None:
        return row | {"status": "missing", "reason": ""}
    every = (*known.numbers, *known.counts, *known.texts)
    row |= {column.name: _value(record, column) for column in every}
    row |= _parts(record)
    row |= {f"spent_{name}": getattr(record.spent, name) for name in RESOURCES}
    row |= {column.name: _value(record.environment, column) for column in known.environment}
    return row | dict(zip(("status", "reason"), _outcome(record), strict=True))


def _value(holder: BaseModel, column: Declared) -> Any:
    """The value of a column; a list of texts is one text."""
    value = getattr(holder, column.field)
    if column.part:
        return value.get(column.part)
    return "; ".join(value) if column.type is list else value


def _parts(record: Record) -> dict[str, float | None]:
    """The seconds of each part; nothing is known where the record doesn't divide them."""
    if not record.phase_seconds or record.prune_seconds is None:
        return dict.fromkeys(PART_SECONDS)
    seconds = [record.phase_seconds.get(phase, 0.0) for phase in PHASES]
    # Clocks are read one after the other: the rest is never less than nothing.
    rest = max(0.0, record.prune_seconds - sum(seconds))
    return dict(zip(PART_SECONDS, (*seconds, rest), strict=True))


def _said(part: BaseModel | None) -> str:
    """What a recipe or a schedule says beside its defaults, as `epochs 20, batch 64`."""
    if part is None:
        return ""
    said = part.model_dump(exclude_defaults=True)
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items())


def _outcome(record: Record) -> tuple[str, str]:
    """Status and reason; a success that doesn't hold its metric is none."""
    metric = METRICS[record.metric]
    if record.status == "ok" and metric.of(record) is None:
        return "failed", f"the record holds no {metric.noun}"
    return record.status, " ".join(record.reason.split())
