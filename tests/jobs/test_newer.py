"""Records and baselines of another version of the suite: read as far as they are known."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.records import make_cell, make_job

from bench.check import baseline
from bench.check.baseline import Result
from bench.jobs.findings import Trial
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.jobs.record import Record
from bench.jobs.store import DamagedRecord, RecordStore, _checksum
from bench.report import load_records

Change = Callable[[dict[str, Any]], None]


def recorded(**changes: Any) -> Record:
    job = make_job(protocol="fine-tune", training=Recipe(epochs=1, learning_rate=0.1), **changes)
    cell = make_cell("obd", job, trials=[Trial(values={"a": 1}), Trial(values={})])
    assert cell.record
    return cell.record


def rewritten(store: RecordStore, record: Record, change: Change) -> Path:
    """The record's file with its content changed, and the checksum that goes with it."""
    store.prepare()
    store.write(record)
    path = store.path(record.key)
    body = json.loads(path.read_text())
    body.pop("checksum")
    change(body)
    path.write_text(json.dumps({"checksum": _checksum(body), **body}))
    return path


ADDED: dict[str, Change] = {
    "energy": lambda body: body.update(energy=3.5),
    "nested": lambda body: body.update(nested={"a": [1, 2], "b": None}),
    "environment.kernel": lambda body: body["environment"].update(kernel="6.1"),
    "spent.questions": lambda body: body["spent"].update(questions=3),
    "trials.duration": lambda body: [trial.update(duration=1.0) for trial in body["trials"]],
}


@pytest.mark.parametrize("name", ADDED)
def test_a_field_of_a_newer_version_is_left_out_and_named(tmp_path, caplog, name: str) -> None:
    store, record = RecordStore(tmp_path, "example"), recorded()
    path = rewritten(store, record, ADDED[name])
    with caplog.at_level(logging.WARNING):
        assert store.recover(record.key) == record == store.read(record.key)
    assert path.exists()
    assert [entry.getMessage() for entry in caplog.records] == [
        f"Records in {store.folder} were written by a newer version, with fields that this one "
        f"doesn't know: {name}"
    ]


def test_each_field_is_said_once_of_all_records(tmp_path, caplog) -> None:
    store = RecordStore(tmp_path, "example")

    def change(body: dict[str, Any]) -> None:
        body.update(energy=1.0, mood="good")

    records = [recorded(seed=seed) for seed in range(3)]
    for record in records:
        rewritten(store, record, change)
    with caplog.at_level(logging.WARNING):
        assert [store.recover(record.key) for record in records] == records
    assert caplog.text.count("energy") == caplog.text.count("mood") == 1 == len(caplog.records)
    caplog.clear()
    rewritten(RecordStore(tmp_path, "other"), records[0], change)
    table = load_records(tmp_path)
    assert len(table) == 4 and len(caplog.records) == 1


def test_wrong_types_are_damage_with_a_newer_field_or_without(tmp_path) -> None:
    store, record = RecordStore(tmp_path, "example"), recorded()
    for more in ({}, {"energy": 1.0}):
        for wrong in ({"accuracy": "high"}, {"status": "fine"}, {"layer_sparsity": [1]}):
            rewritten(store, record, lambda body, more=more, wrong=wrong: body.update(more | wrong))
            with pytest.raises(DamagedRecord, match="invalid field"):
                store.read(record.key)
    rewritten(store, record, lambda body: body["environment"].update(kernel=1, threads="many"))
    with pytest.raises(DamagedRecord):
        store.read(record.key)
    assert store.recover(record.key) is None
    assert store.path(record.key).with_suffix(".damaged").exists()


def test_a_newer_record_still_is_what_its_name_and_checksum_say(tmp_path) -> None:
    store, record = RecordStore(tmp_path, "example"), recorded()
    path = rewritten(store, record, ADDED["energy"])
    path.write_text(path.read_text().replace('"energy": 3.5', '"energy": 4.5'))
    with pytest.raises(DamagedRecord, match="checksum"):
        store.read(record.key)
    path = rewritten(store, record, ADDED["energy"])
    other = make_job(seed=9).key
    path.rename(store.path(other))
    with pytest.raises(DamagedRecord, match=f"belongs to job {record.key}"):
        store.read(other)


@pytest.mark.parametrize("part", ["training", "budget", ""])
def test_a_job_that_a_newer_version_defines_is_nobodys_and_no_damage(
    tmp_path, caplog, part: str
) -> None:
    store, record = RecordStore(tmp_path, "example"), recorded()
    key = "0123456789abcdef"

    def change(body: dict[str, Any]) -> None:
        (body[part] if part else body).update(warmup=3)
        body["key"] = key

    rewritten(store, record, change).rename(store.path(key))
    with caplog.at_level(logging.WARNING):
        assert store.recover(key) is None
    assert store.path(key).exists()
    assert f"doesn't know: {part and part + '.'}warmup" in caplog.text


def test_a_record_of_an_older_version_lacks_what_is_optional(tmp_path, caplog) -> None:
    store, record = RecordStore(tmp_path, "example"), recorded().model_copy(update={"trials": []})
    later = ("tuning_spent", "tuning_seconds", "chosen", "trials", "emergent_sparsity", "control")

    def change(body: dict[str, Any]) -> None:
        for name in later:
            del body[name]

    rewritten(store, record, change)
    assert store.read(record.key) == record
    assert caplog.text == ""
    assert set(later) <= Record.model_fields.keys() and "control" in Job.model_fields


def test_a_baseline_of_a_newer_version_is_read_too(tmp_path, caplog) -> None:
    path = tmp_path / "s.jsonl"
    results = [Result.of(recorded(seed=seed), "obd") for seed in range(3)]
    baseline.write(path, results)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["origins"][0]["host"] = "a"
    lines[0]["origins"][0]["environment"]["kernel"] = "6.1"
    for line in lines[2:]:
        line["energy"] = 3.5
    path.write_text("\ufeff" + "\r\n".join(map(json.dumps, lines)), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert baseline.read(path) == {result.key: result for result in results}
    assert [entry.getMessage() for entry in caplog.records] == [
        f"The baseline {path} was written by a newer version, with fields that this one doesn't "
        "know: environment.kernel, host, energy"
    ]


def test_a_study_with_newer_records_reports_and_runs_no_job_again(
    bench, small_study, tmp_path
) -> None:
    assert bench("run", small_study, "--results", tmp_path).returncode == 0
    store = RecordStore(tmp_path, "small")
    records = [store.read(key) for key in list(store.keys())]
    for record in records:
        assert record
        rewritten(store, record, ADDED["energy"])
    for command in ("run", "report", "compare"):
        done = bench(command, small_study, "--results", tmp_path)
        assert done.returncode == 0
        assert done.stderr.count("energy") == 1, done.stderr
    assert "8 of 8 cells are ok" in done.stdout
    done = bench("run", small_study, "--results", tmp_path, "--jobs", "2")
    assert "8 of 8 jobs were recorded already" in done.stderr and done.stderr.count("energy") == 1
    assert all("energy" in store.path(key).read_text() for key in store.keys())  # noqa: SIM118


def test_a_field_under_its_earlier_name_is_read(tmp_path, caplog) -> None:
    store, record = RecordStore(tmp_path, "example"), recorded()
    record = record.model_copy(update={"yardstick_seconds": 0.25})

    def earlier(body: dict[str, Any]) -> None:
        body["calibration_seconds"] = body.pop("yardstick_seconds")

    rewritten(store, record, earlier)
    assert store.read(record.key) == record
    assert not caplog.records
