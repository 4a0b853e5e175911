"""Tables, figures and page of a study, made from its records and from nothing else.

In come the cells of a study's grid with their records. `frame` makes one row of each cell, with a
column for every record field that declares a `Measure`; `summary` takes what they declare over the
seeds; `tables`, `figures` and `page` only read these two. Out come files (`write_report`), the page
alone (`write_page`), text for a terminal (`summary_text`) and data frames (`load_records`).

To add a record field, touch its declaration in `bench/jobs/findings.py` (or `record.py`, or
`budget.py`), the code that measures it, and a test. To add a kind of figure, see `figures`; to add
a table, see `tables`.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.report.columns import metric_of
from bench.report.figures.drawings import Drawings, sheets
from bench.report.figures.kind import Kind
from bench.report.file_names import file_names
from bench.report.frame import frame, record_type
from bench.report.gaps import gaps
from bench.report.load import load_records, write_parquet
from bench.report.panels import tables
from bench.report.summary import summary
from bench.report.tables import latex, markdown
from bench.report.tables.macros import macros
from bench.report.tables.tables import Table
from bench.study.figure import Against

__all__ = [
    "frame",
    "load_records",
    "progress",
    "summary",
    "summary_text",
    "write_page",
    "write_report",
]


def write_report(
    title: str,
    description: str,
    cells: Sequence[Cell],
    out: Path,
    *,
    records: Path | None = None,
    published: Sequence[Table] = (),
    against: Against | None = None,
    kinds: Sequence[Kind] | None = None,
    pool: Executor | None = None,
    brief: bool = False,
) -> list[Path]:
    """Write tables, figures, page and data into the folder `out`; returns all files written.

    `report.html` is for the browser and `report.md` for a forge; `tables/PAIR.tex` with
    `tables/PAIR-macros.tex` and `figures/PAIR-KIND.{pdf,png}` are for a paper; `summary.csv` and
    `cells.csv` hold the numbers in full precision, and so do their `.parquet` twins where pyarrow
    is installed. The page links to the record files in the folder `records`. `published` are
    tables of published values beside ours. `against` asks for one
    more figure, `figures/PAIR-FIELD`, of accuracy against a hyper-parameter, and `kinds` for other
    figures than those of `bench.report.figures.kinds`. A pair without any
    result has tables full of gaps and no figure, and where results are too little for a figure, the
    pages say why. Figures are drawn in the processes of `pool`, or here. A `brief` report is one
    for version control: `report.md` with its figures as small PNG files, the tables for LaTeX, and
    `summary.csv`. Raises `UserError` if `out` can't be written.
    """
    from bench.report.figures.kinds import KINDS, against_kind, brief_kinds

    kinds = KINDS if kinds is None else kinds
    asked = [against_kind(against, kinds)] if against else []
    table = frame(cells)
    model = record_type(cells)
    means = summary(table, model)
    every = [*tables(table, means, model), *published]
    with _writing(out):
        for folder in (out / "tables", out / "figures"):
            folder.mkdir(parents=True, exist_ok=True)
        names = file_names(means.pair.unique())
        paths = {pair: out / "figures" / names[pair] for pair in _drawn(means)}
        shown = brief_kinds(asked, kinds) if brief else [*asked, *kinds]
        figures = Drawings(sheets(cells, table, means, paths, shown, brief), pool)
        files = _write_text(title, description, table, means, every, out, shown, brief)
        if brief:
            return files + figures.files()
        files += [_write_page(title, description, cells, table, means, every, out, records, kinds)]
        files += write_parquet({"summary": means, "cells": table}, out)
        return files + figures.files()


def write_page(
    title: str,
    description: str,
    cells: Sequence[Cell],
    out: Path,
    *,
    records: Path | None = None,
    published: Sequence[Table] = (),
    kinds: Sequence[Kind] | None = None,
    refresh: int | None = None,
) -> Path:
    """Write `report.html` alone, see `write_report`; a browser loads it anew every `refresh` s."""
    from bench.report.figures.kinds import KINDS

    kinds = KINDS if kinds is None else kinds
    table = frame(cells)
    model = record_type(cells)
    means = summary(table, model)
    every = [*tables(table, means, model), *published]
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
        return _write_page(
            title, description, cells, table, means, every, out, records, kinds, refresh
        )


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The report can't be written to {out}: {error.strerror or error}. "
            "Choose a folder you may write to."
        ) from error


def summary_text(cells: Sequence[Cell]) -> str:
    """The tables of metrics as plain text for a terminal, and how much of the study has run."""
    table = frame(cells)
    parts = [
        f"{part.setting}: {metric_of(table[table.pair == part.pair]).line}\n\n"
        f"{markdown.plain(part)}"
        for part in tables(table, summary(table))
        if part.kind == "accuracy"
    ]
    return "\n\n".join([*parts, progress(table)])


def progress(table: pd.DataFrame) -> str:
    """Such as `115 of 120 cells are ok; 3 failed, 2 have not run.`"""
    counts = table.status.value_counts().to_dict()
    done = counts.pop("ok", 0)
    missing = counts.pop("missing", 0)
    others = [f"{count} {status}" for status, count in sorted(counts.items())]
    others += [f"{missing} {'has' if missing == 1 else 'have'} not run"] * bool(missing)
    return f"{done} of {len(table)} cells are ok{'; ' * bool(others)}{', '.join(others)}."


def _write_text(
    title: str,
    description: str,
    table: pd.DataFrame,
    means: pd.DataFrame,
    every: Sequence[Table],
    out: Path,
    kinds: Sequence[Kind],
    brief: bool,
) -> list[Path]:
    names = file_names(means.pair.unique())
    files = {
        out / "report.md": markdown.document(
            title, description, progress(table), _sections(every, names, table, means, kinds)
        ),
        out / "summary.csv": means.to_csv(index=False, lineterminator="\n"),
    }
    if not brief:
        files[out / "cells.csv"] = table.to_csv(index=False, lineterminator="\n")
    labels: set[str] = set()
    for pair, name in names.items():
        own = [part for part in every if part.pair == pair]
        files[out / "tables" / f"{name}.tex"] = latex.document(
            own, f"{title}: {pair}", taken=labels
        )
        files[out / "tables" / f"{name}-macros.tex"] = macros(means, table, pair)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(files)


def _write_page(
    title: str,
    description: str,
    cells: Sequence[Cell],
    table: pd.DataFrame,
    means: pd.DataFrame,
    every: Sequence[Table],
    out: Path,
    records: Path | None,
    kinds: Sequence[Kind],
    refresh: int | None = None,
) -> Path:
    """Whoever opens the page meanwhile finds the old one or the new one whole."""
    from bench.report.page import address, page

    where = None if records is None else address(records, out)
    text = page(
        title, description, progress(table), cells, table, means, every, where, kinds, refresh
    )
    path = out / "report.html"
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.write_text(text, encoding="utf-8", newline="\n")
    beside.replace(path)
    return path


def _drawn(means: pd.DataFrame) -> list[str]:
    """The pairs that have a result."""
    return list(means[means.ok > 0].pair.unique())


def _sections(
    all_tables: Sequence[Table],
    names: dict[str, str],
    table: pd.DataFrame,
    means: pd.DataFrame,
    kinds: Sequence[Kind],
) -> list[str]:
    """The paragraphs of the page: for each pair its figures and tables."""
    sections = []
    drawn = _drawn(means)
    for pair, name in names.items():
        own = [part for part in all_tables if part.pair == pair]
        sections.append(f"## {markdown.escape(pair)}")
        if pair in drawn:
            metric = metric_of(table[table.pair == pair])
            judged = [kind.judged_by(metric) for kind in kinds]
            sections += _links(name, means[means.pair == pair], judged)
            sections += map(markdown.escape, gaps(means[means.pair == pair]))
        else:
            sections.append("No cell of this pair has a result yet, so there is no figure.")
        sections += [markdown.markdown(part) for part in own]
    return sections


def _links(name: str, means: pd.DataFrame, kinds: Sequence[Kind]) -> list[str]:
    """Links to the figures of a pair, of which `means` are the rows."""
    linked = [kind.name for kind in kinds if kind.linked and kind.has_data(means)]
    return [f"![{kind}](figures/{name}-{kind}.png)" for kind in linked]
