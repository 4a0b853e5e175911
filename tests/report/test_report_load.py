"""All records of a results folder as one frame, and the same numbers as Parquet."""

import logging
from pathlib import Path

import pandas as pd
import pytest
from support.records import make_grid

from bench.common.errors import UserError
from bench.jobs.store import RecordStore
from bench.report import frame, load_records, summary
from bench.report.load import write_parquet


def fill(results: Path, *studies: str) -> None:
    for study in studies:
        store = RecordStore(results, study)
        store.prepare()
        for cell in make_grid()[:6]:
            assert cell.record is not None
            store.write(cell.record)


def test_records_of_all_studies_are_rows(tmp_path) -> None:
    fill(tmp_path, "one", "two")
    table = load_records(tmp_path)
    assert table.study.tolist() == ["one"] * 6 + ["two"] * 6
    wanted = frame(make_grid()[:6]).sort_values("key").reset_index(drop=True)
    found = table[table.study == "two"].drop(columns="study").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, wanted)


def test_a_damaged_record_is_left_out_and_named(tmp_path, caplog) -> None:
    fill(tmp_path, "one")
    path = min((tmp_path / "records" / "one").glob("*.json"))
    path.write_text(path.read_text()[:99])
    with caplog.at_level(logging.WARNING):
        assert len(load_records(tmp_path)) == 5
    assert path.stem in caplog.text and path.exists()


def test_a_folder_without_records_is_one_sentence(tmp_path) -> None:
    with pytest.raises(UserError, match="There are no records in"):
        load_records(tmp_path)


def test_parquet_holds_what_the_frame_holds(tmp_path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = frame(make_grid())
    files = write_parquet({"cells": table, "summary": summary(table)}, tmp_path)
    assert [path.name for path in files] == ["cells.parquet", "summary.parquet"]
    read = pd.read_parquet(files[0])
    assert read.status.tolist() == table.status.tolist()
    assert read.accuracy.equals(table.accuracy)
    assert read.limit_backward_passes.tolist() == table.limit_backward_passes.tolist()


def test_without_pyarrow_that_is_said(tmp_path, caplog, monkeypatch) -> None:
    monkeypatch.setattr("bench.report.load.importlib.util.find_spec", lambda _: None)
    with caplog.at_level(logging.INFO):
        assert write_parquet({"cells": frame(make_grid())}, tmp_path) == []
    assert "pyarrow" in caplog.text and not list(tmp_path.iterdir())


def test_packed_records_are_rows_where_there_is_no_file(tmp_path) -> None:
    fill(tmp_path, "one", "two")
    store = RecordStore(tmp_path, "one")
    wanted = load_records(tmp_path)
    store.pack(store.packed)
    pd.testing.assert_frame_equal(load_records(tmp_path), wanted)
    for path in sorted(store.folder.glob("*.json"))[1:]:
        path.unlink()
    pd.testing.assert_frame_equal(load_records(tmp_path), wanted)
