"""What has happened to a results folder between two runs doesn't show in the table."""

import datetime
import hashlib
import json
import logging
import shutil

import pandas as pd
import pytest
from support.grids import run, study

from bench.common.folders import data_folder
from bench.jobs.cell import Cell
from bench.jobs.job import canonical_json
from bench.report.frame import frame_of_cells
from bench.run import one_job as job_runner

METHODS = {"magnitude": {}, "woodfisher": {"samples": 50}, "random": {}}


@pytest.fixture(scope="module")
def calm(pairs, tmp_path_factory) -> pd.DataFrame:
    """The table of an undisturbed run."""
    return table(run(study(METHODS, 2), tmp_path_factory.mktemp("calm"), pairs))


def table(records) -> pd.DataFrame:
    """All fields of the records that don't depend on the hour or the machine's load."""
    cells = [Cell(record.label, record.job(), record) for record in records.values()]
    return settled(frame_of_cells(cells))


def settled(cells: pd.DataFrame) -> pd.DataFrame:
    """The columns that are no measurements of this machine at this hour."""
    measured = [c for c in cells if "seconds" in c or c in ("peak_bytes", "finished")]
    return cells.drop(columns=measured)


def sealed(body: dict) -> str:
    """A record with a true checksum."""
    body = {name: value for name, value in body.items() if name != "checksum"}
    return json.dumps(
        {"checksum": hashlib.sha256(canonical_json(body).encode()).hexdigest(), **body}
    )


def older(text: str) -> str:
    """The record as an earlier schema had it, with a true checksum."""
    body = json.loads(text) | {"schema_version": 0}
    body["prune_time"] = body.pop("prune_seconds")
    return sealed(body)


DAMAGE = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "of an older schema": older,
    "altered": lambda text: text.replace('"status": "ok"', '"status": "skipped"'),
    "swapped": lambda text: sealed(json.loads(text) | {"seed": 77}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_records_that_cannot_be_trusted_are_made_again(
    damage, calm, pairs, tmp_path, caplog
) -> None:
    grid = study(METHODS, 2)
    before = run(grid, tmp_path, pairs)
    folder = tmp_path / "records" / grid.name
    hurt = [record.key for record in list(before.values())[::2]]
    for key in hurt:
        path = folder / f"{key}.json"
        path.write_text(DAMAGE[damage](path.read_text()))
    (folder / ".0123456789abcdef.tmp").write_text("{")  # as a killed process leaves it
    with caplog.at_level(logging.WARNING):
        after = run(grid, tmp_path, pairs)
    for name, record in before.items():
        assert (record == after[name]) == (record.key not in hurt)
    for key in hurt:
        assert (folder / f"{key}.damaged").exists()
        assert f"record {key} is damaged" in caplog.text
    pd.testing.assert_frame_equal(table(after), calm)


def test_a_clock_that_goes_backwards(calm, pairs, tmp_path, monkeypatch) -> None:
    grid = study(METHODS, 2)
    hours = iter(range(100))

    class Backwards(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime(2030, 1, 1, tzinfo=tz) - datetime.timedelta(hours=next(hours))

    with monkeypatch.context() as patch:
        patch.setattr(job_runner.datetime, "datetime", Backwards)
        before = run(grid, tmp_path, pairs)
    assert len({record.finished for record in before.values()}) == len(before)
    assert run(grid, tmp_path, pairs) == before
    pd.testing.assert_frame_equal(table(before), calm)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_corrupt_cache_is_obtained_anew_in_mid_study(
    bench, small_study, tmp_path, monkeypatch
) -> None:
    """The records so far stay, and those to come are as if nothing had happened."""
    data, results = tmp_path / "data", tmp_path / "results"
    (data / "datasets").mkdir(parents=True)
    shutil.copy(data_folder() / "datasets" / "mnist5k.safetensors", data / "datasets")
    shutil.copytree(data_folder() / "checkpoints", data / "checkpoints")
    command = ("run", small_study, "--results", results)
    assert bench(*command, "--method", "magnitude", BENCH_DATA=str(data)).returncode == 0
    cache = data / "datasets" / "mnist5k.safetensors"
    content = cache.read_bytes()
    cache.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = bench(*command, BENCH_DATA=str(data))
    assert again.returncode == 0, again.stderr
    assert "is corrupt" in again.stderr and "4 of 8 jobs were recorded already" in again.stderr
    assert cache.read_bytes() == content
    calm = bench("run", small_study, "--results", tmp_path / "calm")
    assert calm.returncode == 0, calm.stderr
    paths = [folder / "reports" / "small" / "cells.csv" for folder in (results, tmp_path / "calm")]
    tables = [settled(pd.read_csv(path)) for path in paths]
    pd.testing.assert_frame_equal(*tables)
