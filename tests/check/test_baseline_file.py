"""A baseline's file is read as it was written, or refused with the line that is damaged."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from support.records import make_cell, make_job

from bench.check.baseline import Origin, Result, _compact, baseline_path, read, write
from bench.common.errors import UserError


def results(**changes: object) -> dict[str, Result]:
    cells = [make_cell("obd", make_job(seed=seed)) for seed in range(3)]
    return {
        cell.job.key: Result.of(cell.record, cell.label).model_copy(update=changes)
        for cell in cells
        if cell.record
    }


def test_a_baseline_is_read_as_it_was_written(tmp_path) -> None:
    found = results(mask_sha256="a" * 64)
    write(tmp_path / "new" / "s.jsonl", found.values())
    assert read(tmp_path / "new" / "s.jsonl") == found
    assert read(tmp_path / "none.jsonl") is None
    assert len((tmp_path / "new" / "s.jsonl").read_text().splitlines()) == 1 + 3
    assert isinstance(next(iter(found.values())).origin, Origin)


def test_times_are_written_with_four_digits() -> None:
    """So that the file changes where something did, and no more than it must."""
    (one, *_) = results(
        prune_seconds=0.1234567, yardstick_seconds=12345.67, loss=0.1234567
    ).values()
    fields = _compact(one)
    assert (fields["prune_seconds"], fields["yardstick_seconds"]) == (0.1235, 12350.0)
    assert fields["loss"] == 0.1234567
    assert "origin" not in fields and "reason" not in fields


def test_a_baseline_is_called_after_its_study() -> None:
    assert baseline_path(Path("folder"), "one-shot") == Path("folder") / "one-shot.jsonl"


def test_a_baseline_that_can_not_be_read_or_written_is_said(tmp_path) -> None:
    with pytest.raises(UserError, match="can't be read: .*directory"):
        read(tmp_path)
    (tmp_path / "bad.jsonl").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match="can't be read: .*decode"):
        read(tmp_path / "bad.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written to .*: (File exists|Not a directory)"):
        write(tmp_path / "file" / "s.jsonl", results().values())
    write(tmp_path / "some" / "new" / "folder" / "s.jsonl", results().values())
    assert read(tmp_path / "some" / "new" / "folder" / "s.jsonl") == results()


def test_results_and_origins_are_fixed_and_finite() -> None:
    (one, *_) = results().values()
    for part, field in ((one, "accuracy"), (one.origin, "source_sha256")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, getattr(part, field))
    with pytest.raises(ValidationError, match="finite"):
        Result.model_validate(one.model_dump() | {"loss": float("nan")})


def test_the_fingerprint_is_all_that_equal_bits_need() -> None:
    (one, *_) = results().values()
    origin = one.origin

    def elsewhere(**changes: object) -> Origin:
        moved = origin.environment.model_copy(update=changes)
        return origin.model_copy(update={"environment": moved})

    for other in (
        *(elsewhere(threads=64), elsewhere(processor="i386"), elsewhere(device="H100")),
        *(elsewhere(versions={"torch": "1"}), origin.model_copy(update={"checkpoint_sha256": "0"})),
    ):
        assert other.fingerprint != origin.fingerprint
    assert elsewhere(commit="abc", platform="Linux-9").fingerprint == origin.fingerprint
    assert origin.model_copy(update={"source_sha256": "1"}).fingerprint == origin.fingerprint


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) - 30], "damaged at line 4"),
        (lambda text: text.replace('"seed": 1', '"seed": "one"'), "damaged at line 3"),
        (lambda text: text.replace('"origin": 0', '"origin": 7', 1), "damaged at line 2"),
        (lambda text: "", "schema None, expected 1"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "of schema 2"),
    ],
)
def test_a_damaged_baseline_is_refused_with_its_line(tmp_path, damage, message) -> None:
    path = tmp_path / "s.jsonl"
    write(path, results().values())
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=message):
        read(path)


def test_a_baseline_of_before_processors_had_models_is_another_environment(tmp_path) -> None:
    """Bits are only asked to be equal where the kind of processor is known to be."""
    path = tmp_path / "s.jsonl"
    known = next(iter(results().values())).origin
    here = known.environment.model_copy(update={"model": "GenuineIntel 6 143"})
    write(path, results(origin=known.model_copy(update={"environment": here})).values())
    written = next(iter((read(path) or {}).values())).origin
    path.write_text(path.read_text().replace('"model": "GenuineIntel 6 143", ', ""))
    old = next(iter((read(path) or {}).values())).origin
    assert old.environment.model == ""
    assert written.environment.model == "GenuineIntel 6 143"
    assert old.fingerprint != written.fingerprint
