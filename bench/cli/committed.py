"""What is kept in version control: packed records, and the short reports drawn from them."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import DEFAULT_RESULTS, Results, option

if TYPE_CHECKING:
    from bench.jobs.cell import Cell
    from bench.study.study import Study


WRITTEN_BY_RUNS = ("measurements", "records", "reports", "slurm")
"""Folders of the results that a user's own runs write; the committed themes lie beside them."""


def in_theme(results: Path, name: str) -> Path | None:
    """Return the file or folder `THEME/name` of the committed results, or None if there is none."""
    for path in sorted(results.glob(f"*/{name}")):
        if path.relative_to(results).parts[0] not in WRITTEN_BY_RUNS:
            return path
    return None


def pack(
    study: Annotated[
        str,
        typer.Argument(metavar="STUDY", help="A study's name, as its folder of records has it."),
    ],
    results: Results = DEFAULT_RESULTS,
    out: Annotated[
        Path, option("--out", "DIR", "Folder that gets records/STUDY.jsonl.xz (default: results).")
    ] = DEFAULT_RESULTS,
) -> None:
    """Pack all records of a study into one small file, which every table can be drawn from.

    An older file of the study is replaced.
    """
    from bench.common import screen
    from bench.common.errors import UserError
    from bench.jobs.packed import packed_path
    from bench.jobs.store import DamagedRecord, RecordStore

    store = RecordStore(results, study)
    count = len(list(store.keys()))
    if not count:
        raise UserError(
            f"There are no records in {store.folder}. Give the folder that `run --results DIR` "
            "wrote to."
        )
    path = packed_path(out, study)
    try:
        size = store.pack(path)
    except DamagedRecord as error:
        raise UserError(f"{error}: run the study again, then pack it.") from error
    screen.results.print(f"{count} records in {size:,} bytes: {path}", markup=False)


def redraw(
    studies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STUDY]...", help="Only these studies (default: all)."),
    ] = None,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """Draw the committed report of every built-in study with packed records again.

    Each goes where RESULTS/THEME/STUDY is, or to RESULTS/reports/STUDY where there is none.
    """
    from bench.cli.drawing import drawing
    from bench.common.errors import unknown
    from bench.jobs.packed import packed_studies

    packed = packed_studies(results)
    for name in studies or ():
        if name not in packed:
            raise unknown("study with packed records", name, packed)
    with drawing() as pool:
        for name in studies or packed:
            _redraw(name, results, pool)


def _redraw(name: str, results: Path, pool: Executor | None) -> None:
    """Draw the report from packed records alone, whatever the folder of records holds."""
    from bench.cli.grid import load_grid
    from bench.common import screen
    from bench.jobs.store import RecordStore
    from bench.report import write_report

    study, grid = load_grid(name, [], [])
    store = RecordStore(results, study.name)
    cells = [cell._replace(record=store.unpacked(cell.job.key)) for cell in grid]
    found = in_theme(results, name)
    out = found if found and any(found.glob("*.md")) else results / "reports" / name
    write_report(
        study.title, study.description, cells, out, against=study.figure, pool=pool, brief=True
    )
    _write_published(study, cells, out)
    screen.results.print(str(out), markup=False)


def _write_published(study: "Study", cells: "Sequence[Cell]", out: Path) -> None:
    """Write `published.md`, the verdicts on published values, if the study answers any."""
    from bench.check.published import published_values
    from bench.check.reproduction import judge
    from bench.check.tables import published_tables
    from bench.check.verdicts import counted
    from bench.report.tables import markdown

    found = judge(published_values().select(None, set(study.pairs)), cells)
    if not any(item.ours for item in found):
        return
    status = f"Published values: {counted(item.verdict for item in found)}."
    sections = [markdown.markdown(table) for table in published_tables(found) if table.rows]
    text = markdown.document(
        f"{study.title}: beside published values", study.description, status, sections
    )
    (out / "published.md").write_text(text, encoding="utf-8", newline="\n")
