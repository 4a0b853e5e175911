"""A check that compared nothing says so first and doesn't pass."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.grids import SMALL
from support.records import make_cell

from bench.check import baseline
from bench.check.baseline import Result
from bench.check.check import Options, check
from bench.common import screen
from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs import PAIRS
from bench.pairs.preparing.identity import pair_sha256
from bench.run.one_job import source_of
from bench.study.study import Study, load_study

Make = Callable[[Cell], Record]


def record(cell: Cell, status: str = "ok", **changes: Any) -> Record:
    results = {"accuracy": 90.0 + cell.job.seed} if status == "ok" else {"reason": "because"}
    made = make_cell(cell.label, cell.job, status, **results).record
    assert made
    pair = PAIRS[cell.job.pair]
    today = {
        "source_sha256": source_of(cell.job),
        "pair_sha256": pair_sha256(pair, pair.build()),
    }
    return made.model_copy(update=today | changes)


@pytest.fixture
def study(small_study: Path) -> Study:
    return load_study(str(small_study))


@pytest.fixture
def checked(study: Study, tmp_path: Path, capsys) -> Callable[..., tuple[bool, str]]:
    """Whether the gate passes for records made by `make`, and what is on the screen."""

    def call(make: Make, study: Study = study, **options: Any) -> tuple[bool, str]:
        store = RecordStore(tmp_path, study.name)
        store.prepare()
        cells = study.cells()
        for cell in cells:
            store.write(make(cell))
        passed = check(study, cells, store, Options(tmp_path / "baselines", **options))
        return passed, capsys.readouterr().out

    return call


@pytest.fixture(autouse=True)
def plain(monkeypatch) -> None:
    from rich.console import Console

    monkeypatch.setattr(screen, "results", Console(soft_wrap=True, highlight=False, width=200))


def accept(study: Study, folder: Path, make: Make) -> None:
    """Take the records as the baseline."""
    results = [Result.of(make(cell), cell.label) for cell in study.cells()]
    baseline.write(folder / "baselines" / f"{study.name}.jsonl", results)


@pytest.mark.parametrize("status", ["ok", "failed", "skipped", "over-budget"])
def test_without_a_baseline_there_is_nothing(checked, status: str) -> None:
    passed, text = checked(lambda cell: record(cell, status))
    assert not passed
    assert text.startswith(
        "Nothing was compared: there is no published value of these results and no baseline; make "
        "one of these records with --update."
    )


def test_a_baseline_that_nothing_answers_is_nothing(checked, study: Study, tmp_path: Path) -> None:
    accept(study, tmp_path, record)
    assert checked(record)[0]
    old = {"source_sha256": "0" * 64}
    passed, text = checked(lambda cell: record(cell, **old))
    assert not passed
    assert text.startswith("Nothing was compared: no result of today's code answers one of the bas")
    assert "(4 not run)" in text.splitlines()[0]
    passed, text = checked(lambda cell: record(cell, checkpoint_sha256="1" * 64))
    assert not passed and text.startswith("Nothing was compared") and "4 not comparable" in text


def test_failures_on_both_sides_are_nothing(checked, study: Study, tmp_path: Path) -> None:
    def skipped(cell: Cell) -> Record:
        return record(cell, "skipped")

    accept(study, tmp_path, skipped)
    passed, text = checked(skipped)
    assert not passed and text.startswith("Nothing was compared")
    # What was skipped and now has a result is better, and was compared.
    assert checked(record)[0]


def test_a_baseline_of_another_grid_is_nothing(checked, study: Study, tmp_path: Path) -> None:
    other = study.model_copy(update={"seeds": [7]})
    accept(other, tmp_path, record)
    passed, text = checked(record)
    assert not passed and "(4 new)" in text.splitlines()[0]


PUBLISHED = SMALL.replace('"mlpnet-mnist5k"', '"mlpnet-mnist"').replace("0.5, 0.9", "0.95")


def published_study(folder: Path, text: str = PUBLISHED) -> Study:
    path = folder / "published.toml"
    path.write_text(text)
    return load_study(str(path))


def test_published_values_alone_are_something(checked, tmp_path: Path) -> None:
    study = published_study(tmp_path)
    for table in (None, "chita-table1"):
        passed, text = checked(record, study, table=table)
        assert passed and "Published values: " in text
        assert not text.startswith("Nothing")
    assert not checked(record, study, strict=True)[0]


def test_a_published_table_without_overlap_is_nothing(checked, tmp_path: Path) -> None:
    study = published_study(tmp_path, PUBLISHED.replace("0.95", "0.123"))
    for make in (record, lambda cell: record(cell, "failed")):
        passed, text = checked(make, study, table="chita-table1")
        assert not passed
        assert text.startswith("Nothing of the published table chita-table1 was compared (")
    # Also where the baseline would pass: it isn't what was asked for.
    accept(study, tmp_path, record)
    passed, text = checked(record, study, table="chita-table1")
    assert not passed and text.startswith("Nothing of the published table chita-table1")
    assert checked(record, study)[0]


def test_failed_cells_are_no_values_of_a_published_table(checked, tmp_path: Path) -> None:
    study = published_study(tmp_path)
    passed, text = checked(lambda cell: record(cell, "failed"), study, table="chita-table1")
    assert not passed and "failed: because" in text.splitlines()[0]


def test_update_takes_what_there_is_and_nothing_else(checked, study: Study, tmp_path: Path) -> None:
    path = tmp_path / "baselines" / f"{study.name}.jsonl"
    passed, text = checked(lambda cell: record(cell, "failed"), update=True)
    assert not passed and not path.exists()
    assert "No baseline is written: no record can be its; 8 failed ones were left out." in text
    passed, text = checked(record, update=True)
    assert passed and f"Baseline of 8 jobs: {path}" in text and not text.startswith("Nothing")
    passed, text = checked(record)
    assert passed and "Against the baseline: 6 pass." in text
    # Of failed jobs the old results stay.
    passed, text = checked(lambda cell: record(cell, "failed"), update=True)
    assert passed and len(baseline.read(path) or {}) == 8


def test_the_files_say_it_too(checked, study: Study, tmp_path: Path) -> None:
    out, xml = tmp_path / "out", tmp_path / "check.xml"
    assert not checked(record, out=out, junit=xml)[0]
    lines = (out / "check.md").read_text(encoding="utf-8").splitlines()
    assert lines[2].startswith("- Nothing was compared: there is no published value")
    root = ElementTree.parse(xml).getroot()
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "1")
    assert next(root.iter("failure")).attrib["message"].startswith("Nothing was compared")


def test_no_records_are_a_mistake_of_the_users(study: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There are no records of the study small"):
        check(study, study.cells(), RecordStore(tmp_path, "small"), Options(tmp_path))
