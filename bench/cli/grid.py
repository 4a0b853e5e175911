"""Loads the study that a command is about, and writes the report of its records."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from bench.common import screen
from bench.jobs.cell import Cell
from bench.jobs.store import RecordStore
from bench.study.filters import overridden
from bench.study.plugins import load_plugin
from bench.study.study import Study, load_study


def load_plugins(paths: Sequence[Path]) -> None:
    """Register the methods, pairs and datasets in these files."""
    for path in paths:
        load_plugin(path)


def load_grid(
    name: str, overrides: Sequence[str], plugins: Sequence[Path]
) -> tuple[Study, list[Cell]]:
    """Return the study with plug-ins loaded and overrides applied, and all its cells."""
    study = load_study(name)
    load_plugins([*map(Path, study.plugins), *plugins])
    study = overridden(study, overrides)
    return study, study.cells()


def report_grid(
    study: Study,
    grid: Sequence[Cell],
    shown: Sequence[Cell],
    store: RecordStore,
    out: Path,
    *,
    published: bool = False,
    pool: Executor | None = None,
) -> None:
    """Write the whole grid's report to `out`, and print a summary of the cells in `shown`.

    With `published`, values of papers are shown beside the results that answer them. Figures are
    drawn in the processes of `pool`, or in this one. The page links to the files of records if each
    record has one.
    """
    from bench.check.reproduction import answered
    from bench.check.tables import published_tables
    from bench.report import summary_text, write_report

    cells = {cell.job.key: cell._replace(record=store.shown(cell.job.key)) for cell in grid}
    files = all(store.path(key).is_file() for key, cell in cells.items() if cell.record)
    write_report(
        study.title,
        study.description,
        list(cells.values()),
        out,
        records=store.folder if files else None,
        against=study.figure,
        pool=pool,
        published=published_tables(answered(list(cells.values()))) if published else [],
    )
    screen.results.print(summary_text([cells[cell.job.key] for cell in shown]), markup=False)
    screen.results.print(f"Page to open in a browser: {out / 'report.html'}", markup=False)
    screen.results.print(f"Tables and figures: {out}", markup=False)
