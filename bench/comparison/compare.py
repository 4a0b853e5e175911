"""Compares the methods of a study, and refuses where more than the methods differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.comparison.conditions import Conditions, conditions, refuse
from bench.comparison.gather import Gathered
from bench.comparison.paired import compare_panel
from bench.comparison.ranks import Ranks, rank_methods, sentences
from bench.comparison.tables import panel_tables, rank_table
from bench.errors import UserError, unknown
from bench.report import Cell, frame, progress, summary
from bench.report.panels import panels
from bench.report.tables import Table

BASELINE = "magnitude"


@dataclass(frozen=True)
class Comparison:
    """Everything that the output shows.

    `numbers` has the columns of `bench.comparison.paired`, `cells` those of the report's frame.
    """

    title: str
    baseline: str
    cells: pd.DataFrame
    numbers: pd.DataFrame
    tables: tuple[Table, ...]
    ranks: Ranks
    findings: tuple[str, ...]
    conditions: Conditions
    notes: tuple[str, ...]


def compare(
    title: str, gathered: Gathered, baseline: str | None = None, *, anyway: bool = False
) -> Comparison:
    """Compare the methods of a study with each other and with the baseline.

    The baseline is `magnitude` where the study has it, else its first method. Raises `UserError`
    where there are fewer than two methods with results, for an unknown baseline, and, unless
    `anyway`, where rows differ in more than the method.
    """
    table = frame(gathered.cells)
    chosen = _baseline(table, baseline)
    _refuse_too_few(title, gathered.cells, table)
    found = _with_contested(conditions(gathered.cells), gathered.contested)
    if not anyway:
        refuse(found.differing)
    numbers, tables = [], []
    for part, means in panels(table, summary(table)):
        rows = compare_panel(part, chosen)
        numbers.append(rows)
        tables += panel_tables(part, means, rows, chosen, _stamp(gathered, part, found))
    ranks = rank_methods(table)
    findings = tuple(sentences(ranks, chosen))
    ranked = rank_table(ranks, found.stamp(), findings)
    return Comparison(
        title,
        chosen,
        table,
        pd.concat(numbers, ignore_index=True),
        (*tables, *([ranked] if ranked else [])),
        ranks,
        findings,
        found,
        tuple(_notes(gathered, table)),
    )


def _baseline(table: pd.DataFrame, asked: str | None) -> str:
    labels = [str(label) for label in table.label.unique()]
    if asked is None:
        return BASELINE if BASELINE in labels else labels[0]
    if asked not in labels:
        raise unknown("method of this study called", asked, labels)
    if not ((table.label == asked) & (table.status == "ok")).any():
        raise UserError(
            f"The baseline {asked!r} has no result among the records: run its cells, or choose "
            "another with --baseline LABEL."
        )
    return asked


def _refuse_too_few(title: str, cells: Sequence[Cell], table: pd.DataFrame) -> None:
    if not any(cell.record for cell in cells):
        raise UserError(
            f"There are no records of the study {title!r} to compare: run it first "
            "(`python -m bench run`), or give the folder of its results with --results DIR."
        )
    labels = list(table[table.status == "ok"].label.unique())
    if len(labels) < 2:
        raise UserError(
            "A comparison needs two or more methods with results, and the records have "
            f"{f'one: {labels[0]}' if labels else 'none'}. Run the study's other methods first."
        )


def _stamp(gathered: Gathered, panel: pd.DataFrame, whole: Conditions) -> str:
    """What was held equal within a panel; what differs anywhere marks every table."""
    keys = set(panel.key)
    own = conditions([cell for cell in gathered.cells if cell.job.key in keys])
    return replace(own, differing=whole.differing).stamp()


def _with_contested(found: Conditions, contested: int) -> Conditions:
    if not contested:
        return found
    what = f"{contested} cells have several records of other settings, of which the last is taken"
    return replace(found, differing=(*found.differing, what))


def _notes(gathered: Gathered, table: pd.DataFrame) -> list[str]:
    notes = [progress(table)]
    if gathered.left_out:
        notes.append(
            f"{gathered.left_out} records of the folder are not of this grid and were left out."
        )
    if gathered.controls:
        notes.append(
            f"{gathered.controls} sanity controls were left out, as they are no methods: "
            "`python -m bench report` shows each beside its own."
        )
    return notes
