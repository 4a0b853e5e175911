"""The tables of a report as plain data; `latex` and `markdown` write them down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from bench.report.best import ranking
from bench.report.captions import accuracy_caption, cost_caption, rank_sentence, setting
from bench.report.frame import PANEL, RESOURCES

DASH = "–"
_NOT_RUN = "has not run"
_LONGEST_NOTE = 240


class Entry(NamedTuple):
    """What stands in one cell of a table: a value, its spread, and the mark of a footnote.

    `rank` is `best` or `second` where the best of a column is ahead by more than noise.
    """

    text: str
    spread: str = ""
    mark: str = ""
    rank: str = ""


class Row(NamedTuple):
    """A row's heading and its entries, one a column, or a single one that holds for all columns."""

    heading: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Table:
    """A table without markup. `lead` rows stand apart above `rows`; `notes` are mark and text.

    In print, at most `abreast` columns stand side by side.
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


def tables(cells: pd.DataFrame, over_seeds: pd.DataFrame) -> list[Table]:
    """An accuracy table and a cost table for every pair, allocation and protocol.

    `cells` and `over_seeds` are the results of `frame` and `summary`.
    """
    return [
        table
        for part, means in panels(cells, over_seeds)
        for table in (accuracy_table(part, means), cost_table(part, means))
    ]


def panels(
    cells: pd.DataFrame, over_seeds: pd.DataFrame
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The cells and the summary of each pair, allocation and protocol, in the summary's order."""
    parts = dict(iter(cells.groupby(PANEL, sort=False)))
    for key, means in over_seeds.groupby(PANEL, sort=False):
        yield parts[key], means


def percent(fraction: float) -> str:
    """A fraction in percent, without rounding noise and trailing zeros: 0.07 is `7`."""
    return f"{100 * fraction:.10g}"


def dense_accuracy(cells: pd.DataFrame) -> str:
    """The dense accuracy that the records hold; a range if they differ, a dash if there is none."""
    ends = dict.fromkeys((f"{cells.dense_accuracy.min():.2f}", f"{cells.dense_accuracy.max():.2f}"))
    return DASH if cells.dense_accuracy.isna().all() else DASH.join(ends)


def accuracy_table(cells: pd.DataFrame, means: pd.DataFrame) -> Table:
    """Top-1 accuracy, mean and sample standard deviation: a row a method, a column a sparsity."""
    footnotes = Footnotes()
    sparsities = sorted(means.sparsity.unique())
    ranks = ranking(cells)
    rows = []
    for label, method in means.groupby("label", sort=False):
        known = {row.sparsity: row for row in method.itertuples()}
        entries = [
            _accuracy(known.get(sparsity), footnotes)._replace(
                rank=ranks.get((sparsity, label), "")
            )
            for sparsity in sparsities
        ]
        rows.append(Row(str(label), entries))
    dense = Row("dense", [Entry(dense_accuracy(cells))])
    gaps = any(entry.text == DASH for row in rows for entry in row.entries)
    return Table(
        pair=str(means.pair.iloc[0]),
        kind="accuracy",
        setting=setting(cells),
        caption=f"{accuracy_caption(cells)} {rank_sentence(ranks)}",
        corner="method",
        columns=[percent(sparsity) for sparsity in sparsities],
        over="sparsity (%)",
        allocation=str(means.allocation.iloc[0]),
        protocol=str(means.protocol.iloc[0]),
        lead=[dense],
        rows=rows,
        notes=footnotes.listed(dash=gaps),
    )


def _accuracy(cell: Any, footnotes: Footnotes) -> Entry:
    """One row of the summary as an entry; None is a sparsity that this method isn't asked for."""
    if cell is None:
        return Entry("")
    if not cell.ok:
        if cell.status == "missing":
            return Entry(DASH)
        return Entry(cell.status, mark=footnotes.mark(cell.problems))
    spread = "" if pd.isna(cell.accuracy_std) else f"{cell.accuracy_std:.2f}"
    mark = ""
    if cell.ok < cell.expected:
        text = f"{cell.ok} of {cell.expected} seeds; {cell.problems}"
        mark = footnotes.mark(text)
    return Entry(f"{cell.accuracy_mean:.2f}", spread, mark)


def cost_table(cells: pd.DataFrame, means: pd.DataFrame) -> Table:
    """Time, memory and budget of each method over the cells that are ok, beneath the limits."""
    limits = cells[[f"limit_{name}" for name in RESOURCES]].max()
    allowed = [name for name in RESOURCES if limits[f"limit_{name}"]]
    labels = list(dict.fromkeys(means.label))
    parts = dict(iter(cells.groupby("label", sort=False)))
    lead = [Entry(""), Entry(""), Entry("")]
    lead += [Entry(f"{limits[f'limit_{name}']:,}") for name in allowed]
    return Table(
        pair=str(means.pair.iloc[0]),
        kind="cost",
        setting=setting(cells),
        caption=cost_caption(cells),
        corner="method",
        columns=[
            *("cells\nok", "median\nseconds", "peak\nMiB"),
            *(name.replace("_", "\n") for name in allowed),
        ],
        allocation=str(means.allocation.iloc[0]),
        protocol=str(means.protocol.iloc[0]),
        lead=[Row("limit", lead)],
        rows=[Row(label, _cost(parts[label], allowed)) for label in labels],
    )


def _cost(cells: pd.DataFrame, allowed: list[str]) -> list[Entry]:
    good = cells[cells.status == "ok"]
    peak = good.peak_bytes.max()
    spent = [good[f"spent_{name}"].max() for name in allowed]
    return [
        Entry(f"{len(good)}/{len(cells)}"),
        Entry(seconds(good.prune_seconds.median())),
        Entry(DASH if pd.isna(peak) else f"{peak / 2**20:,.1f}"),
        *(Entry(DASH if pd.isna(count) else f"{count:,}") for count in spent),
    ]


def seconds(duration: float) -> str:
    """A time with two or more significant digits and never an exponent; a dash if there is none."""
    if pd.isna(duration):
        return DASH
    digits = next((n for n in range(1, 10) if duration >= 10 ** (1 - n)), 9)
    return f"{duration:,.{digits}f}"
