"""Compares the methods of a study, and refuses where more than the methods differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.common.errors import UserError, unknown
from bench.comparison.conditions import Conditions, conditions, refuse
from bench.comparison.gather import Gathered
from bench.comparison.paired import compare_panel
from bench.comparison.ranks import Ranks, rank_methods, sentences
from bench.comparison.tables import panel_tables, rank_table
from bench.jobs.cell import Cell
from bench.report import frame, progress, summary
from bench.report.columns import PANEL
from bench.report.panels import panels
from bench.report.tables.tables import Table

BASELINE = "magnitude"


@dataclass(frozen=True)
class Ranked:
    """The ranking of the methods that ran under one protocol, made from `cells`."""

    protocol: str
    cells: pd.DataFrame
    ranks: Ranks
    statements: tuple[str, ...]
    conditions: Conditions


@dataclass(frozen=True)
class Comparison:
    """Everything that the output shows.

    `baseline` is a method of the study: its row under each protocol is that protocol's baseline.
    `numbers` has the columns of `bench.comparison.paired`, `cells` those of the report's frame.
    """

    title: str
    baseline: str
    cells: pd.DataFrame
    numbers: pd.DataFrame
    tables: tuple[Table, ...]
    ranked: tuple[Ranked, ...]
    conditions: Conditions
    notes: tuple[str, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """What the rankings say, each protocol by name where there are several."""
        several = len(self.ranked) > 1
        return tuple(
            f"{one.protocol}: {statement}" if several else statement
            for one in self.ranked
            for statement in one.statements
        )


def compare(
    title: str, gathered: Gathered, baseline: str | None = None, *, anyway: bool = False
) -> Comparison:
    """Compare the methods of a study with each other and with the baseline, protocol by protocol.

    The baseline is `magnitude` where the study has it, else its first method. Raises `UserError`
    where there are fewer than two methods with results under any protocol, for an unknown baseline,
    and, unless `anyway`, where rows differ in more than the method.
    """
    table = frame(gathered.cells)
    chosen = _baseline(gathered, table, baseline)
    _refuse_too_few(title, gathered.cells, table)
    found = _with_contested(conditions(gathered.cells), gathered.contested)
    if not anyway:
        refuse(found.differing)
    numbers, tables = [], []
    for part, means in panels(table, summary(table)):
        own = _row_of(gathered, part, chosen)
        rows = compare_panel(part, own)
        numbers.append(rows)
        stamp = _own_conditions(gathered, part, found).stamp()
        tables += panel_tables(part, means, rows, own, stamp)
    ranked = tuple(_ranked(gathered, table, chosen, found))
    for one in ranked:
        title_of = one.protocol if len(ranked) > 1 else ""
        table_of = rank_table(one.ranks, one.conditions.stamp(), one.statements, title_of)
        tables += [table_of] if table_of else []
    return Comparison(
        title,
        chosen,
        table,
        pd.concat(numbers, ignore_index=True),
        tuple(tables),
        ranked,
        found,
        (*_notes(gathered, table), *_without_baseline(gathered, table, chosen)),
    )


def _baseline(gathered: Gathered, table: pd.DataFrame, asked: str | None) -> str:
    """The method, by its label in the study, that differences are to; a row's own label will do."""
    methods = list(dict.fromkeys(gathered.family(str(label)) for label in table.label.unique()))
    if asked is None:
        return BASELINE if BASELINE in methods else methods[0]
    chosen = gathered.family(asked)
    if chosen not in methods:
        raise unknown("method of this study called", asked, methods)
    own = table.label.map(gathered.family) == chosen
    if not (own & (table.status == "ok")).any():
        raise UserError(
            f"The baseline {chosen!r} has no result among the records: run its cells, or choose "
            "another with --baseline LABEL."
        )
    return chosen


def _row_of(gathered: Gathered, panel: pd.DataFrame, method: str) -> str | None:
    """The label of the method's row in a panel, if it has one with a result."""
    good = panel[panel.status == "ok"]
    return next((label for label in good.label.unique() if gathered.family(label) == method), None)


def _without_baseline(gathered: Gathered, table: pd.DataFrame, method: str) -> list[str]:
    """A sentence for each protocol in which some panel has no differences."""
    found: dict[str, list[str]] = {}
    every: dict[str, int] = {}
    for panel, part in table.groupby(PANEL, sort=False):
        pair, allocation, protocol = map(str, panel)
        every[protocol] = every.get(protocol, 0) + 1
        if _row_of(gathered, part, method) is None:
            found.setdefault(protocol, []).append(f"{pair}, {allocation}")
    return [
        f"There are no differences to {method} under {protocol}, as it has no result there"
        + (f" ({'; '.join(panels_of)})." if len(panels_of) < every[protocol] else ".")
        for protocol, panels_of in found.items()
    ]


def _ranked(
    gathered: Gathered, table: pd.DataFrame, method: str, whole: Conditions
) -> Iterator[Ranked]:
    """One ranking per protocol, in the order of the study."""
    for protocol, part in table.groupby("protocol", sort=False):
        ranks = rank_methods(part)
        own = _row_of(gathered, part, method)
        held = _own_conditions(gathered, part, whole)
        yield Ranked(str(protocol), part, ranks, tuple(sentences(ranks, own)), held)


def _refuse_too_few(title: str, cells: Sequence[Cell], table: pd.DataFrame) -> None:
    if not any(cell.record for cell in cells):
        raise UserError(
            f"There are no records of the study {title!r} to compare: run it first "
            "(`python -m bench run`), or give the folder of its results with --results DIR."
        )
    good = table[table.status == "ok"]
    if (good.groupby(PANEL).label.nunique() > 1).any():
        return
    labels = list(good.label.unique())
    one = f"one: {labels[0]}" if len(labels) == 1 else f"one in each: {', '.join(labels)}"
    raise UserError(
        "A comparison needs two or more methods with results for one pair, allocation and "
        f"protocol, and the records have {one if labels else 'none'}. Run the study's other "
        "methods first."
    )


def _own_conditions(gathered: Gathered, part: pd.DataFrame, whole: Conditions) -> Conditions:
    """What was held equal within a part of the table; what differs anywhere marks everything."""
    keys = set(part.key)
    own = conditions([cell for cell in gathered.cells if cell.job.key in keys])
    return replace(own, differing=whole.differing)


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
