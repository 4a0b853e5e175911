"""A record is whole or it isn't there; a damaged one is set aside and never believed."""

import json
import logging

import pytest
from support.records import make_cell, make_job

from bench.common.errors import UserError
from bench.jobs.job import Job
from bench.jobs.store import DamagedRecord, RecordStore


@pytest.fixture
def store(tmp_path) -> RecordStore:
    store = RecordStore(tmp_path, "example")
    store.prepare()
    return store


def test_what_is_written_is_read(store) -> None:
    record = make_cell("obd", make_job()).record
    store.write(record)
    assert store.read(record.key) == record
    assert list(store.keys()) == [record.key]
    assert [path.name for path in store.folder.iterdir()] == [f"{record.key}.json"]


def test_a_missing_record_is_none(store) -> None:
    assert store.read("0" * 16) is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "no complete JSON"),
        (lambda text: "", "no complete JSON"),
        (lambda text: "[]", "no complete JSON"),
        (lambda text: text.replace('"accuracy": 90.0', '"accuracy": 99.0'), "its checksum"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 0'), "schema is 0"),
    ],
)
def test_damage_is_found_and_set_aside(store, damage, message, caplog) -> None:
    record = make_cell("obd", make_job()).record
    store.write(record)
    path = store.path(record.key)
    path.write_text(damage(path.read_text()))
    with pytest.raises(DamagedRecord, match=message):
        store.read(record.key)
    with caplog.at_level(logging.WARNING):
        assert store.recover(record.key) is None
    assert record.key in caplog.text and "set aside" in caplog.text
    assert not path.exists() and path.with_suffix(".damaged").exists()


def test_a_record_under_another_name_is_damaged(store) -> None:
    record = make_cell("obd", make_job()).record
    store.write(record)
    other = make_job(seed=9).key
    store.path(record.key).rename(store.path(other))
    with pytest.raises(DamagedRecord, match=f"belongs to job {record.key}"):
        store.read(other)


def test_a_failing_write_leaves_the_old_record(store, monkeypatch) -> None:
    record = make_cell("obd", make_job()).record
    store.write(record)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(record.model_copy(update={"accuracy": 1.0}))
    assert store.read(record.key) == record
    assert [path.name for path in store.folder.iterdir()] == [f"{record.key}.json"]


def test_nan_can_not_be_recorded(store) -> None:
    cell = make_cell("obd", make_job())
    broken = cell.record.model_copy(update={"loss": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write(broken)


def test_an_unwritable_folder_is_said_before_any_job(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Results can't be written to"):
        RecordStore(tmp_path / "file", "example").prepare()


def test_the_key_is_pinned_and_depends_on_every_field() -> None:
    job = make_job()
    assert job.key == Job.model_validate(json.loads(job.model_dump_json())).key
    assert job.key == "424f5f079df69752"
    changes = {
        "pair": "other",
        "method": "magnitude",
        "hyperparameters": {"samples": 1},
        "allocation": "erk",
        "sparsity": 0.91,
        "seed": 1,
        "recalibration": 10,
        "budget": job.budget.model_copy(update={"backward_passes": 1}),
    }
    keys = {make_job(**{name: value}).key for name, value in changes.items()}
    assert len(keys | {job.key}) == len(changes) + 1
