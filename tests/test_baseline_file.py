"""A baseline's file is read as it was written, or refused with the line that is damaged."""

import pytest
from records import make_cell, make_job

from bench.baseline import Origin, Result, read, write
from bench.errors import UserError


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
