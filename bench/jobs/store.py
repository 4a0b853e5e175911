"""The folder of a study's records: one JSON file for each job, and packed ones."""

import functools
import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.common.errors import UserError
from bench.common.files import replacing
from bench.common.newer import known_part, say_once
from bench.jobs.job import canonical_json
from bench.jobs.packed import damaged, packed_path, read_packed, write_packed
from bench.jobs.record import SCHEMA, Record

log = logging.getLogger(__name__)


class DamagedRecord(Exception):
    """Raised for a record file that can't be trusted: truncated, altered, or of another schema."""


class RecordStore:
    """The records of one study: `RESULTS/records/STUDY/KEY.json`, each written atomically.

    Beside the folder there may be `STUDY.jsonl.xz`, the packed records of an earlier run. Tables
    show a packed record if the folder has no file for it (`shown`); a run doesn't count it as done
    (`read`, `recover`). Fields that this version doesn't know are skipped, and logged once unless
    in `said`.
    """

    def __init__(self, results: Path, study: str, said: set[str] | None = None) -> None:
        self.results = results
        self.folder = results / "records" / study
        self.packed = packed_path(results, study)
        self._said = set[str]() if said is None else said
        self._told = False

    def prepare(self) -> None:
        """Create the folder and check that it can be written to; raises `UserError` if not."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise UserError(
                f"Results can't be written to {self.folder}: {error.strerror}. "
                "Choose a folder you may write to with --results DIR."
            ) from error

    def path(self, key: str) -> Path:
        """Return the path of the record with this key."""
        return self.folder / f"{key}.json"

    def write(self, record: Record) -> None:
        """Write the record atomically: temporary file, fsync, rename."""
        body = record.model_dump(mode="json")
        text = json.dumps({"checksum": _checksum(body), **body}, indent=1, allow_nan=False)
        with replacing(self.path(record.key)) as file:
            file.write(text.encode() + b"\n")

    def read(self, key: str, level: int = logging.WARNING) -> Record | None:
        """Return the record with this key, or None; raises `DamagedRecord`.

        None too if a newer version defines the job by fields that aren't known here. Unknown fields
        are logged at `level`.
        """
        try:
            text = self.path(key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise DamagedRecord(f"can't be read: {error}") from error
        record, unknown = _parse(text, key)
        say_once(f"Records in {self.folder} were", unknown, self._said, level)
        return record

    def recover(self, key: str, level: int = logging.WARNING) -> Record | None:
        """Like `read`, but rename a damaged record to `KEY.damaged`, log it, and return None."""
        try:
            return self.read(key, level)
        except DamagedRecord as error:
            aside = self.path(key).with_suffix(".damaged")
            self.path(key).replace(aside)
            log.warning("record %s is damaged (%s): set aside as %s", key, error, aside.name)
            return None

    def shown(self, key: str) -> Record | None:
        """Return the record that tables and figures show: the folder's own, or else the packed one.

        The first use of a packed record is logged. Raises `UserError` if the packed file is needed
        and damaged.
        """
        if own := self.recover(key):
            return own
        packed = self.unpacked(key)
        if packed and not self._told:
            self._told = True
            log.info("records that have no file in %s are shown from %s", self.folder, self.packed)
        return packed

    def unpacked(self, key: str) -> Record | None:
        """Return the packed record with this key, or None; raises `UserError` if it is damaged."""
        text = self._texts.get(key)
        if text is None:
            return None
        try:
            record, unknown = _parse(text, key)
        except DamagedRecord as error:
            raise damaged(self.packed, f"record {key}: {error}") from error
        say_once(f"Records in {self.packed} were", unknown, self._said)
        return record

    def keys(self) -> Iterator[str]:
        """Iterate over the keys of all records in the folder, damaged ones included, sorted."""
        yield from sorted(path.stem for path in self.folder.glob("*.json"))

    def shown_keys(self) -> list[str]:
        """Return the keys of all records in the folder or in the packed file, sorted."""
        return sorted({*self.keys(), *self._texts})

    def pack(self, out: Path) -> int:
        """Write all records of the folder to the packed file `out`; return its size in bytes.

        Raises `DamagedRecord` if one of them is damaged.
        """
        texts = []
        for key in self.keys():
            self.read(key)
            texts.append(self.path(key).read_text(encoding="utf-8"))
        return write_packed(out, texts)

    @functools.cached_property
    def _texts(self) -> dict[str, str]:
        return read_packed(self.packed)


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def _parse(text: str, key: str) -> tuple[Record | None, list[str]]:
    """Return the record and its unknown fields; no record if the job itself has unknown fields."""
    try:
        body = json.loads(text)
        checksum = body.pop("checksum")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedRecord("it is no complete JSON record") from error
    if body.get("schema_version") != SCHEMA:
        raise DamagedRecord(f"its schema is {body.get('schema_version')}, not {SCHEMA}")
    try:
        true_checksum = _checksum(body)
    except ValueError as error:
        raise DamagedRecord("it holds a value that is no finite number") from error
    if checksum != true_checksum:
        raise DamagedRecord("its content doesn't match its checksum")
    try:
        record, unknown = known_part(Record, body)
        true_key = record.job().key
    except ValidationError as error:
        raise DamagedRecord(f"it has {error.error_count()} invalid fields") from error
    if key == record.key != true_key and unknown:
        return None, unknown
    if not key == record.key == true_key:
        raise DamagedRecord(f"it belongs to job {true_key}")
    return record, unknown
