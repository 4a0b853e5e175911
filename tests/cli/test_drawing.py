"""Figures drawn in processes of their own are those drawn here, whatever becomes of them."""

import multiprocessing
import os
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
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, 1)
