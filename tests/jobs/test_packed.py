"""Records packed into one file are the same records; a damaged file is one sentence."""

import logging

import pytest
from support.records import make_grid

from bench.common.errors import UserError
from bench.jobs.packed import packed_path, packed_studies, read_packed, write_packed
from bench.jobs.store import DamagedRecord, RecordStore

RECORDS = [cell.record for cell in make_grid() if cell.record][:30]


@pytest.fixture
def packed(tmp_path) -> RecordStore:
    """A folder of results with packed records alone."""
    source = RecordStore(tmp_path / "source", "example")
    source.prepare()
    for record in RECORDS:
        source.write(record)
    store = RecordStore(tmp_path / "results", "example")
    source.pack(store.packed)
    return store


def test_what_is_packed_is_read_whole(packed, tmp_path) -> None:
    assert packed.shown_keys() == sorted(record.key for record in RECORDS)
    for record in RECORDS:
        assert packed.shown(record.key) == record
    for record in RECORDS:
        packed.folder.mkdir(exist_ok=True)
        packed.write(record)
        source = tmp_path / "source" / "records" / "example" / f"{record.key}.json"
        assert packed.path(record.key).read_bytes() == source.read_bytes()


def test_equal_records_give_equal_bytes_in_any_order(packed, tmp_path) -> None:
    texts = list(read_packed(packed.packed).values())
    for number, order in enumerate((texts, texts[::-1])):
        write_packed(tmp_path / str(number), order)
        assert (tmp_path / str(number)).read_bytes() == packed.packed.read_bytes()


def test_a_file_of_its_own_wins(packed) -> None:
    record = RECORDS[0].model_copy(update={"reason": "run again"})
    packed.prepare()
    packed.write(record)
    assert packed.shown(record.key) == record
    assert packed.shown(RECORDS[1].key) == RECORDS[1]


def test_a_run_does_not_take_packed_records_as_done(packed) -> None:
    assert packed.recover(RECORDS[0].key) is None
    assert list(packed.keys()) == []


def test_that_packed_records_are_shown_is_said_once(packed, caplog) -> None:
    with caplog.at_level(logging.INFO):
        for record in RECORDS:
            packed.shown(record.key)
    assert caplog.text.count(str(packed.packed)) == 1


def test_the_studies_that_are_packed_are_listed(packed) -> None:
    assert packed_studies(packed.results) == ["example"]
    assert packed_studies(packed.results / "records") == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-20],
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: b"",
        lambda content: b"no such file",
    ],
)
def test_a_damaged_file_is_one_sentence(packed, damage) -> None:
    packed.packed.write_bytes(damage(packed.packed.read_bytes()))
    with pytest.raises(UserError, match="are damaged .*: take the file from version control") as it:
        packed.shown(RECORDS[0].key)
    assert "\n" not in str(it.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"accuracy":', '"accuracy":1'), "doesn't match its checksum"),
        (lambda text: text.replace('"schema_version":1', '"schema_version":0'), "schema is 0"),
        (lambda text: text.replace('"seed":', '"sed":'), "doesn't match its checksum"),
    ],
)
def test_a_record_that_was_altered_is_not_believed(packed, change, message) -> None:
    write_packed(packed.packed, map(change, read_packed(packed.packed).values()))
    with pytest.raises(UserError, match=message):
        packed.shown(RECORDS[0].key)


def test_lines_that_are_no_records_are_said(packed) -> None:
    import lzma

    for text in ("[1]\n", "{}\n", "no JSON\n", "\xff"):
        packed.packed.write_bytes(lzma.compress(text.encode("latin-1")))
        with pytest.raises(UserError, match="are damaged"):
            read_packed(packed.packed)


def test_a_damaged_record_is_not_packed(packed, tmp_path) -> None:
    packed.prepare()
    packed.path("0" * 16).write_text("{")
    with pytest.raises(DamagedRecord):
        packed.pack(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_place_that_can_not_be_written_is_said(tmp_path) -> None:
    (tmp_path / "records").write_text("in the way")
    with pytest.raises(UserError, match="can't be written"):
        write_packed(packed_path(tmp_path, "example"), [])
