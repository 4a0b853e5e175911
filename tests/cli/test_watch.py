"""`report --watch` follows the records of a running study until Ctrl-C."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.checkout import ROOT
from support.records import make_cell, make_job

from bench.cli.watch import Arrivals
from bench.jobs.cell import Cell
from bench.jobs.store import RecordStore

REFRESH = '<meta http-equiv="refresh" content="1">'


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Waits for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C of another process needs POSIX")
def test_the_page_follows_the_records_and_ctrl_c_ends_it(bench, small_study, tmp_path) -> None:
    done = tmp_path / "done"
    assert bench("run", small_study, "--results", done).returncode == 0
    records = sorted((done / "records" / "small").glob("*.json"))
    results = tmp_path / "results"
    page = results / "reports" / "small" / "report.html"
    command = [sys.executable, "-m", "bench", "report", str(small_study), "--watch"]
    command += ["--every", "1", "--results", str(results)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as watch:
        try:
            until(page.exists)
            assert "0 of 8 cells are ok" in page.read_text("utf-8")
            store = results / "records" / "small"
            store.mkdir(parents=True)
            for count, path in ((5, records[:5]), (8, records[5:])):
                for record in path:
                    shutil.copy(record, store)
                until(lambda said=f"{count} of 8 cells are ok": said in page.read_text("utf-8"))
            assert REFRESH in page.read_text("utf-8")
        finally:
            watch.send_signal(signal.SIGINT)
        said = watch.communicate(timeout=60)[1]
    assert watch.returncode == 0 and "Stopped" in said and "Traceback" not in said
    assert 'http-equiv="refresh"' not in page.read_text("utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]


@pytest.fixture
def arrivals(tmp_path: Path) -> tuple[Arrivals, RecordStore, list[Cell]]:
    cells = [Cell("a", make_job(seed=seed)) for seed in range(3)]
    store = RecordStore(tmp_path, "example")
    store.prepare()
    return Arrivals(cells, store), store, cells


def test_nothing_changes_but_by_a_record_of_the_grid(arrivals) -> None:
    found, store, cells = arrivals
    assert found.changed() and not found.changed()
    store.write(make_cell("other", make_job(seed=9)).record)
    (store.folder / "notes.txt").write_text("x")
    assert not found.changed()
    store.write(make_cell("a", cells[1].job).record)
    assert found.changed() and not found.changed()
    assert [cell.record is not None for cell in found.cells()] == [False, True, False]


def test_a_record_that_changes_or_goes_is_noticed(arrivals) -> None:
    found, store, cells = arrivals
    store.write(make_cell("a", cells[0].job, "failed", reason="no memory").record)
    assert found.changed()
    store.write(make_cell("a", cells[0].job).record)
    assert found.changed()
    assert found.cells()[0].record.status == "ok"
    store.path(cells[0].job.key).unlink()
    assert found.changed()
    assert found.cells()[0].record is None


def test_a_damaged_record_is_set_aside_and_is_a_gap(arrivals) -> None:
    found, store, cells = arrivals
    store.path(cells[2].job.key).write_text("{")
    assert found.changed()
    assert found.cells()[2].record is None
    assert list(store.folder.glob("*.damaged"))
