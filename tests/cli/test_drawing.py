"""Figures drawn in processes of their own are those drawn here, whatever becomes of them."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from support.records import make_cell, make_job

from bench.cli.drawing import drawing
from bench.common.errors import UserError
from bench.report import write_report

CELLS = [make_cell("a", make_job(sparsity=sparsity)) for sparsity in (0.5, 0.9)]


def contents(files: list[Path], out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("here")
    return contents(write_report("x", "", CELLS, out), out)


def test_two_processes_draw_the_same_bytes(here, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("bench.cli.drawing.cores", lambda: 2)
    with drawing() as pool:
        assert pool is not None
        files = write_report("x", "", CELLS, tmp_path, pool=pool)
    assert contents(files, tmp_path) == here


def test_what_dead_processes_left_is_drawn_here(here, tmp_path) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(os._exit, 1).result()
        files = write_report("x", "", CELLS, tmp_path, pool=pool)
    assert contents(files, tmp_path) == here


def test_processes_that_die_while_they_draw_are_no_loss(here, tmp_path) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(os._exit, 1)
        files = write_report("x", "", CELLS, tmp_path, pool=pool)
    assert contents(files, tmp_path) == here


def test_one_core_has_no_pool_and_an_error_ends_it(monkeypatch) -> None:
    monkeypatch.setattr("bench.cli.drawing.cores", lambda: 1)
    with drawing() as pool:
        assert pool is None
    monkeypatch.setattr("bench.cli.drawing.cores", lambda: 2)
    with pytest.raises(UserError, match="no study"), drawing() as pool:
        raise UserError("no study")
    with pytest.raises(RuntimeError, match="not usable"):
        pool.submit(abs, 1)


ERRORS = """
import time
from concurrent.futures import process
from threading import enumerate as threads

import bench.cli.drawing

def wakeup(self):
    if not self._closed:
        time.sleep(2.0)  # the pool's thread may close the pipe between the two steps
        self._writer.send_bytes(b"")

def errors():
    bench.cli.drawing.cores = lambda: 3
    for index in range(8):
        try:
            with bench.cli.drawing.drawing() as pool:
                if index % 2:
                    pool.submit(time.sleep, 5.0)
                time.sleep(0.02 * index)
                if index == 7:
                    process._ThreadWakeup.wakeup = wakeup
                raise LookupError
        except LookupError:
            print(len(threads()))

if __name__ == "__main__":
    errors()
"""
"""Leaves the block by errors, at several stages of the processes' start, then ends at once."""


def test_an_error_leaves_nothing_that_the_interpreter_trips_over_at_its_end(tmp_path) -> None:
    script = tmp_path / "errors.py"
    script.write_text(ERRORS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, script]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["1"] * 8, "no thread of a pool is left"
