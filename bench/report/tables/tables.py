"""The tables of a report as plain data; `latex` and `markdown` write them down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from bench.jobs.metric import Metric
from bench.report.best import ranking
from bench.report.captions import metric_caption, only_protocol, rank_sentence, setting
from bench.report.columns import metric_of
from bench.report.numerals import DASH, percent

_NOT_RUN = "has not run"
_LONGEST_NOTE = 240


class TableCell(NamedTuple):
    """One cell of a table: the text of a value, its spread, and the mark of a footnote.

    A `Cell` without more is one of a study's grid, a job with its record.
    `rank` is `best` or `second` where the best of a column is ahead by more than noise.
    """

    text: str
    spread: str = ""
    mark: str = ""
    rank: str = ""


class Row(NamedTuple):
    """A row's heading and its cells: one for each column, or a single one that holds for all."""

    heading: str
    table_cells: Sequence[TableCell]


@dataclass(frozen=True)
class Table:
    """A table without markup. `lead` rows stand apart above `rows`; `notes` are mark and text.

    `kind` is the same for tables of one make, `title` names what one shows where its kind doesn't.
    `allocation` and `protocol` are empty where it holds several or is of none. In print, at most
    `abreast` columns stand side by side.
    """

    pair: str
    kind: str
    setting: str
    caption: str
    corner: str
    columns: Sequence[str]
    over: str = ""
    allocation: str = ""
    protocol: str = ""
    lead: Sequence[Row] = ()
    rows: Sequence[Row] = ()
    notes: Sequence[tuple[str, str]] = ()
    abreast: int = 5
    title: str = ""


@dataclass
class Footnotes:
    """Hands out the marks a, b, c ...; equal texts share one."""

    marks: dict[str, str] = field(default_factory=dict)

    def mark(self, text: str) -> str:
        """The mark of the footnote with this text."""
        if len(text) > _LONGEST_NOTE:
            text = text[: _LONGEST_NOTE - 1] + "…"
        return self.marks.setdefault(text, _letters(len(self.marks)))

    def listed(self, *, dash: bool) -> list[tuple[str, str]]:
        """All footnotes in order; with `dash`, also what a dash stands for."""
        return [(mark, text) for text, mark in self.marks.items()] + (
            [(DASH, _NOT_RUN)] if dash else []
        )


def _letters(index: int) -> str:
    """a ... z, aa, ab ..."""
    return (_letters(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def dense_value(cells: pd.DataFrame) -> str:
    """The dense model's metric by the records; a range if they differ, a dash if there is none."""
    metric = metric_of(cells)
    values = cells[metric.dense]
    ends = dict.fromkeys(map(metric.written, (values.min(), values.max())))
    return DASH if values.isna().all() else DASH.join(ends)


def metric_table(cells: pd.DataFrame, means: pd.DataFrame) -> Table:
    """The pair's metric, mean and sample standard deviation, by method (rows) and sparsity."""
    footnotes, metric = Footnotes(), metric_of(cells)
    sparsities = sorted(means.sparsity.unique())
    ranks = ranking(cells)
    rows = []
    for label, method in means.groupby("label", sort=False):
        known = {row.sparsity: row for row in method.itertuples()}
        found = [
            _value(known.get(sparsity), metric, footnotes)._replace(
                rank=ranks.get((sparsity, label), "")
            )
            for sparsity in sparsities
        ]
        rows.append(Row(str(label), found))
    dense = Row("dense", [TableCell(dense_value(cells))])
    gaps = any(cell.text == DASH for row in rows for cell in row.table_cells)
    return Table(
        pair=str(means.pair.iloc[0]),
        kind="accuracy",
        title=metric.noun.capitalize(),
        setting=setting(cells),
        caption=f"{metric_caption(cells)} {rank_sentence(ranks.values(), cells)}",
        corner="method",
        columns=[percent(sparsity) for sparsity in sparsities],
        over="sparsity (%)",
        allocation=str(means.allocation.iloc[0]),
        protocol=only_protocol(cells),
        lead=[dense],
        rows=rows,
        notes=footnotes.listed(dash=gaps),
    )


def _value(mean: Any, metric: Metric, footnotes: Footnotes) -> TableCell:
    """One row of the summary as a cell; None is a sparsity that this method isn't asked for."""
    if mean is None:
        return TableCell("")
    if not mean.ok:
        if mean.status == "missing":
            return TableCell(DASH)
        return TableCell(mean.status, mark=footnotes.mark(mean.problems))
    value, deviation = (getattr(mean, f"{metric.column}_{name}") for name in ("mean", "std"))
    spread = "" if pd.isna(deviation) else metric.written(deviation)
    mark = ""
    if mean.ok < mean.expected:
        text = f"{mean.ok} of {mean.expected} seeds; {mean.problems}"
        mark = footnotes.mark(text)
    return TableCell(metric.written(value), spread, mark)
