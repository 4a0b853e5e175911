"""Whatever a study file or a record holds, the answer is a sentence and no other exception."""

import json
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.records import make_cell, make_job

from bench.common.errors import UserError
from bench.jobs.record import Record
from bench.jobs.store import DamagedRecord, RecordStore, _checksum
from bench.study.study import Study, load_study

KNOWN = [*Study.model_fields, "samples", "damping", "epochs", "method", "margin"]
NAMES = [*KNOWN, "magnitude", "woodfisher", "mlpnet-mnist5k", "global", "one-shot", "fine-tune"]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(NAMES),
        st.text(max_size=20),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), inner, max_size=4),
    ),
    max_leaves=12,
)
FUZZ = settings(max_examples=100, deadline=None)
DEEP = b"[" * 100_000
VALID = {
    "pairs": ["mlpnet-mnist5k"],
    "allocations": ["global"],
    "sparsities": [0.5],
    "seeds": [0],
    "budget": {},
    "methods": {"magnitude": {}},
}


def toml(value: object) -> str:
    """The value as TOML text; None and what JSON lacks come out as mistakes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


def load(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.toml"
        path.write_bytes(content)
        try:
            load_study(str(path)).cells()
        except UserError as error:
            assert str(error)


@FUZZ
@given(st.binary(max_size=200))
@example(b"a = " + DEEP)
def test_a_study_file_of_any_bytes(content: bytes) -> None:
    load(content)


@FUZZ
@given(st.dictionaries(st.sampled_from(list(Study.model_fields)), VALUES, max_size=4))
def test_a_study_file_with_any_values(changes: dict) -> None:
    lines = [f"{json.dumps(key)} = {toml(value)}" for key, value in (VALID | changes).items()]
    load("\n".join(lines).encode("utf-8", "surrogatepass"))


def read(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = RecordStore(Path(folder), "fuzzed")
        store.prepare()
        key = make_job().key
        store.path(key).write_bytes(content)
        try:
            record = store.read(key)
            assert record is None or record.key == key  # None: of a job that isn't known here
        except DamagedRecord as error:
            assert str(error)


@FUZZ
@given(st.binary(max_size=200))
@example(DEEP)
@example(b'"text"')
def test_a_record_of_any_bytes(content: bytes) -> None:
    read(content)


@FUZZ
@given(st.dictionaries(st.sampled_from(list(Record.model_fields)), VALUES, min_size=1, max_size=4))
@example({"loss": float("inf")})
def test_a_record_with_any_values_and_a_true_checksum(changes: dict) -> None:
    record = make_cell("obd", make_job()).record
    body = record.model_dump(mode="json") | changes
    try:
        checksum = _checksum(body)
    except ValueError:  # not a number, which no JSON record can hold
        checksum = ""
    read(json.dumps({"checksum": checksum, **body}).encode())
