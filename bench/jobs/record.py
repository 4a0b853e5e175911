"""The result of one job, and the folder that keeps one JSON file for each."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.common.errors import UserError
from bench.common.files import replacing
from bench.common.newer import known_part, say_once
from bench.jobs.budget import Budget
from bench.jobs.job import Allocation, Control, Job, Protocol, canonical_json
from bench.jobs.phase import Phase
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual
from bench.jobs.trial import Trial

log = logging.getLogger(__name__)

Status = Literal["ok", "failed", "skipped", "over-budget"]
SCHEMA = 1


class Environment(BaseModel):
    """What a result's bits depend on: equal environments give equal bits.

    `processor` is the instruction set that torch uses, `model` the kind of processor: two of one
    instruction set can still take other ways through the same library.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    versions: dict[str, str]
    platform: str
    processor: str
    model: str = ""
    device: str
    threads: int
    commit: str | None


class Record(BaseModel):
    """What one job gave; figures are missing (None) where the job didn't come to them.

    Accuracies are percent of the test split, `loss` is its mean cross-entropy. `nonzero` counts
    the prunable weights that are not exactly zero in what was evaluated. `flops` are the
    multiplications and additions with nonzero weights in one forward pass of one example.
    `tied_predictions` are test examples whose largest logit several classes share; the lowest
    index counts. `calibration_seconds` is what a fixed piece of work took in the same process, see
    `yardstick`.
    `peak_bytes` is the rise of memory while the method ran. `prune_seconds` are what the method
    takes alone, `phase_seconds` their division; `reused_seconds` of them were spared, since
    another job of the same process had computed the same gradients. `mask_sha256` is the hash
    of which weights are left, `weights_sha256` that of the whole model as evaluated,
    `data_sha256` that of the dataset, `pair_sha256` that of the pair's settings and model,
    `source_sha256` that of the code, of which `harness_sha256` is the part that isn't the
    method's. `train_seconds` are those of training without pruning,
    `train_flops` what its forward and backward passes take with dense weights, `train_losses`
    the mean loss of its steps by epoch. `emergent_sparsity` is what a method came to by itself
    before it was brought to the target. Where the study grants tuning trials, `chosen` are the
    values that the tuned fields were set to in place of those of `hyperparameters`, `trials` all
    that were tried, in order; `spent` is what the pruning with the chosen values took,
    `tuning_spent` and `tuning_seconds` what the trials took together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = SCHEMA
    key: str
    study: str
    label: str
    status: Status
    reason: str = ""

    pair: str
    method: str
    hyperparameters: dict[str, Any]
    allocation: Allocation
    sparsity: float
    seed: int
    protocol: Protocol
    recalibration: int
    training: Recipe | None = None
    schedule: Gradual | None = None
    control: Control | None = None
    budget: Budget
    spent: Budget

    dense_accuracy: float | None = None
    dense_loss: float | None = None
    accuracy: float | None = None
    top5: float | None = None
    loss: float | None = None
    tied_predictions: int | None = None
    nonzero: int | None = None
    prunable: int | None = None
    parameters: int | None = None
    layer_sparsity: dict[str, float] = Field(default_factory=dict)
    test_examples: int | None = None
    prune_seconds: float | None = None
    phase_seconds: dict[Phase, float] = Field(default_factory=dict)
    reused_seconds: float | None = None
    calibration_seconds: float | None = None
    peak_bytes: int | None = None
    flops: int | None = None
    dense_flops: int | None = None
    mask_sha256: str | None = None
    weights_sha256: str | None = None
    train_seconds: float | None = None
    train_examples: int | None = None
    train_flops: int | None = None
    train_losses: list[float] = Field(default_factory=list)
    emergent_sparsity: float | None = None
    chosen: dict[str, Any] | None = None
    trials: list[Trial] = Field(default_factory=list)
    tuning_spent: Budget | None = None
    tuning_seconds: float | None = None

    notes: list[str] = Field(default_factory=list)
    checkpoint_sha256: str | None = None
    data_sha256: str | None = None
    pair_sha256: str | None = None
    harness_sha256: str | None = None
    source_sha256: str
    environment: Environment
    finished: str

    def job(self) -> Job:
        """The identity that this record answers for."""
        return Job.model_validate({name: getattr(self, name) for name in Job.model_fields})


class DamagedRecord(Exception):
    """A record file that can't be trusted: truncated, altered, or of another schema."""


class RecordStore:
    """The records of one study: `RESULTS/records/STUDY/KEY.json`, each written atomically.

    A record with fields that this version doesn't know is read without them, and which they are is
    said once, unless they are in `said` already.
    """

    def __init__(self, results: Path, study: str, said: set[str] | None = None) -> None:
        self.results = results
        self.folder = results / "records" / study
        self._said = set[str]() if said is None else said

    def prepare(self) -> None:
        """Create the folder and prove that it can be written; raises `UserError` if not."""
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
        """Where the record with this key is kept."""
        return self.folder / f"{key}.json"

    def write(self, record: Record) -> None:
        """Write the whole record or nothing: temporary file, fsync, rename."""
        body = record.model_dump(mode="json")
        text = json.dumps({"checksum": _checksum(body), **body}, indent=1, allow_nan=False)
        with replacing(self.path(record.key)) as file:
            file.write(text.encode() + b"\n")

    def read(self, key: str, level: int = logging.WARNING) -> Record | None:
        """The record with this key, or None; raises `DamagedRecord`.

        None too where a newer version defines the job by fields that aren't known here. What isn't
        known is said at this level.
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
        """Like `read`, but sets a damaged record aside, says so, and returns None."""
        try:
            return self.read(key, level)
        except DamagedRecord as error:
            aside = self.path(key).with_suffix(".damaged")
            self.path(key).replace(aside)
            log.warning("record %s is damaged (%s): set aside as %s", key, error, aside.name)
            return None

    def keys(self) -> Iterator[str]:
        """The keys of all records in the folder, damaged ones included, in order."""
        yield from sorted(path.stem for path in self.folder.glob("*.json"))


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def _parse(text: str, key: str) -> tuple[Record | None, list[str]]:
    """The record, and the fields that aren't known; None where the job itself has such a field."""
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
