"""The command `check`: records against published values, and against the study's baseline."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.check import baseline
from bench.check.baseline import Result, baseline_path
from bench.check.judgement import Check, judge_all
from bench.check.junit import JUnitCase, write_junit
from bench.check.published import published_values
from bench.check.tables import gate_tables, published_tables
from bench.check.verdicts import (
    CSV_COLUMNS,
    cases,
    counted,
    csv_rows,
    timing_lines,
)
from bench.common import screen
from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.jobs.store import RecordStore
from bench.pairs import PAIRS
from bench.pairs.preparing.identity import pair_sha256
from bench.pairs.preparing.structure import built
from bench.pairs.preparing.validation import check_settings
from bench.report.tables import markdown
from bench.run.one_job import source_of
from bench.study.study import Study


@dataclass(frozen=True)
class Options:
    """What the command line says of one check, beside the study and its records."""

    baselines: Path
    table: str | None = None
    junit: Path | None = None
    out: Path | None = None
    update: bool = False
    strict: bool = False


def check(study: Study, grid: Sequence[Cell], store: RecordStore, options: Options) -> bool:
    """Judge the study's records, show and write the verdicts; gives whether the gate is passed.

    The gate compares only records of today's code and pairs; published values are compared with
    all. It isn't passed where nothing was compared. With `options.update` the baseline is rewritten
    after what changes is shown, and the gate is passed if there was a result to take.
    """
    values = published_values().select(options.table, set(study.pairs))
    cells = [cell._replace(record=store.recover(cell.job.key)) for cell in grid]
    if not any(cell.record for cell in cells):
        raise UserError(
            f"There are no records of the study {study.name} in {store.folder}: run it first with "
            f"`python -m bench run {study.name}`."
        )
    path = baseline_path(options.baselines, study.name)
    known = baseline.read(path)
    fresh = _fresh(cells)
    result = judge_all(study, options.table, values, cells, fresh, known)
    _show(result, first="" if options.update else result.nothing)
    if options.out:
        _write(result, options.out)
    if options.junit:
        found = cases(result.reproduced, result.compared, result.timed, study.gate)
        if result.nothing:
            found.insert(0, JUnitCase("check", study.name, "compared", "failure", result.nothing))
        write_junit(options.junit, study.name, found)
    if options.update:
        return _update(path, fresh, known or {})
    return not result.failed(options.strict)


def _fresh(cells: Sequence[Cell]) -> list[Cell]:
    """The cells without records that other code has made, or of pairs that have changed since."""
    recorded = {cell.job.pair for cell in cells if cell.record and cell.record.pair_sha256}
    pairs = {name: _pair_sha256(name) for name in recorded}
    return [
        cell
        if cell.record is not None
        and cell.record.source_sha256 == source_of(cell.job)
        and cell.record.pair_sha256 == pairs.get(cell.job.pair)
        else cell._replace(record=None)
        for cell in cells
    ]


def _pair_sha256(name: str) -> str:
    """The pair's identity of today; none where its model can't be built any more."""
    try:
        check_settings(PAIRS[name])
        return pair_sha256(PAIRS[name], built(PAIRS[name]))
    except UserError:
        return ""


def _show(result: Check, first: str) -> None:
    """Published tables whole, of the comparisons those that need a look, and the counts.

    What is to be said `first` stands above all.
    """
    gate = result.study.gate
    if first:
        screen.results.print(f"{first}\n", markup=False)
    for table in published_tables(result.reproduced):
        if table.rows:
            screen.results.print(f"{table.setting}\n\n{markdown.plain(table)}\n", markup=False)
    notable = [item for item in result.compared if item.verdict not in ("pass", "new", "not run")]
    for table in gate_tables(notable, gate):
        screen.results.print(f"{table.setting}\n\n{markdown.plain(table)}\n", markup=False)
    for line in _summary(result):
        screen.results.print(line, markup=False)


def _summary(result: Check) -> list[str]:
    """The sentences beneath the tables."""
    lines = timing_lines(result.timed, result.study.gate)
    if result.stale:
        lines.append(
            f"{result.stale} records are of other code than today's, or of a pair that was another "
            "one: they stand beside published values, but the gate takes them as not run."
        )
    if result.reproduced:
        lines.append(f"Published values: {counted(item.verdict for item in result.reproduced)}.")
    if not result.known:
        absent = "There is no baseline: make one of these records with --update."
        return lines if result.nothing else [*lines, absent]
    if result.gone:
        lines.append(f"{result.gone} results of the baseline belong to no job of the study.")
    if any(item.verdict == "changed" for item in result.compared):
        lines.append(
            "Where a change was meant, accept it with --update: on one machine, equal versions "
            "give equal bits unless the code differs."
        )
    return [*lines, f"Against the baseline: {counted(item.verdict for item in result.compared)}."]


def _write(result: Check, out: Path) -> None:
    """`check.md` with all tables and `check.csv` with the numbers in full precision."""
    study = result.study
    tables = [*published_tables(result.reproduced), *gate_tables(result.compared, study.gate)]
    sections = [markdown.markdown(table) for table in tables]
    lines = [result.nothing] * bool(result.nothing) + _summary(result)
    status = "\n".join(f"- {markdown.escape(line)}" for line in lines)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(csv_rows(result.reproduced, result.compared))
    page = markdown.document(f"Check of {study.title}", study.description, status, sections)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "check.md").write_text(page, encoding="utf-8", newline="\n")
        (out / "check.csv").write_text(text.getvalue(), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"The check can't be written to {out}: {error.strerror}.") from error
    screen.results.print(f"Tables: {out / 'check.md'}", markup=False)


def _update(path: Path, cells: Sequence[Cell], known: Mapping[str, Result]) -> bool:
    """Take today's results as the baseline; jobs that haven't run, or failed, keep the old ones.

    Gives whether there was any to take or keep: an empty baseline isn't written.
    """
    found: dict[str, Result] = {}
    failed = 0
    for cell in cells:
        key, record = cell.job.key, cell.record
        if record is not None and record.status != "failed":
            found[key] = Result.of(record, cell.label)
        elif key in known:
            found[key] = known[key]
        failed += record is not None and record.status == "failed"
    left_out = f"; {failed} failed ones were left out" if failed else ""
    if not found:
        screen.results.print(f"No baseline is written: no record can be its{left_out}.")
        return False
    baseline.write(path, found.values())
    screen.results.print(f"Baseline of {len(found)} jobs: {path}{left_out}", markup=False)
    return True
