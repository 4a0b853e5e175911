"""The baseline of a study: what its jobs gave when they were last accepted, in one file."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from bench.common.errors import UserError
from bench.common.files import replacing
from bench.common.newer import known_part, say_once
from bench.jobs.job import canonical_json
from bench.jobs.metric import METRICS, MetricName
from bench.jobs.record import Environment, Record, Status

SCHEMA = 1


class Origin(BaseModel):
    """What a result came from: code, dense model and machine, shared by many results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Environment
    checkpoint_sha256: str | None
    source_sha256: str

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """All that equal code needs for equal bits: versions, machine, threads, dense model."""
        here = self.environment
        versions = tuple(sorted(here.versions.items()))
        machine = here.processor, here.model, here.device, here.threads
        return versions, *machine, self.checkpoint_sha256


class Result(BaseModel):
    """What the gate compares of one job. `spent` leaves out what is zero.

    `yardstick_seconds` is the yardstick's time in the process that gave `prune_seconds`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str
    pair: str
    label: str
    allocation: str
    protocol: str
    sparsity: float
    seed: int
    status: Status
    reason: str = ""
    metric: MetricName = "accuracy"
    accuracy: float | None = None
    score: float | None = None
    loss: float | None = None
    nonzero: int | None = None
    mask_sha256: str | None = None
    spent: dict[str, int] = {}
    prune_seconds: float | None = None
    # Earlier files call it calibration_seconds, which calibration examples have nothing to do with.
    yardstick_seconds: float | None = Field(
        None, validation_alias=AliasChoices("yardstick_seconds", "calibration_seconds")
    )
    origin: Origin

    @property
    def value(self) -> float | None:
        """The metric of the pair; None if there is no result."""
        return METRICS[self.metric].of(self)

    @classmethod
    def of(cls, record: Record, label: str) -> "Result":
        """The part of a record that is compared, under the label of the study of today."""
        same = cls.model_fields.keys() - {"label", "spent", "origin"}
        return cls(
            **{name: getattr(record, name, None) for name in same},
            label=label,
            spent={name: count for name, count in record.spent.model_dump().items() if count},
            origin=Origin(
                environment=record.environment,
                checkpoint_sha256=record.checkpoint_sha256,
                source_sha256=record.source_sha256,
            ),
        )


def baseline_path(folder: Path, study: str) -> Path:
    """Where a study's baseline is kept."""
    return folder / f"{study}.jsonl"


def read(path: Path) -> dict[str, Result] | None:
    """The results by job key, or None where there is no file; raises `UserError` with the line.

    Fields that this version doesn't know are left out, and said.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The baseline {path} can't be read: {error}.") from error
    number = 1
    try:
        head = json.loads(lines[0]) if lines else {}
        if head.get("schema_version") != SCHEMA:
            found = head.get("schema_version")
            raise UserError(
                f"The baseline {path} is of schema {found}, expected {SCHEMA}: make it again with "
                "`check STUDY --update`."
            )
        known = [known_part(Origin, origin) for origin in head["origins"]]
        origins = [origin for origin, _ in known]
        unknown = [name for _, names in known for name in names]
        results = {}
        for line in lines[1:]:
            number += 1
            fields = json.loads(line)
            result, names = known_part(Result, fields | {"origin": origins[fields["origin"]]})
            results[result.key] = result
            unknown += names
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ValidationError) as error:
        raise UserError(
            f"The baseline {path} is damaged at line {number} ({type(error).__name__}): take it "
            "from version control again."
        ) from error
    say_once(f"The baseline {path} was", unknown, set())
    return results


def write(path: Path, results: Iterable[Result]) -> None:
    """Write all results, in an order that makes small differences; raises `UserError`.

    The first line holds the origins, and each other line one job.
    """
    ordered = sorted(results, key=_order)
    origins = list(dict.fromkeys(canonical_json(r.origin.model_dump()) for r in ordered))
    head = {"schema_version": SCHEMA, "origins": [json.loads(origin) for origin in origins]}
    lines = [json.dumps(head)]
    for result in ordered:
        number = origins.index(canonical_json(result.origin.model_dump()))
        lines.append(json.dumps(_compact(result) | {"origin": number}, allow_nan=False))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise UserError(f"The baseline can't be written to {path}: {error.strerror}.") from error


def _order(result: Result) -> tuple[str, str, str, str, float, int, str]:
    return (
        *(result.pair, result.protocol, result.allocation, result.label),
        *(result.sparsity, result.seed, result.key),
    )


def _compact(result: Result) -> dict[str, Any]:
    """The fields that hold something, times with four digits."""
    fields = result.model_dump(exclude={"origin"}, exclude_defaults=True)
    for name in ("prune_seconds", "yardstick_seconds"):
        if name in fields:
            fields[name] = float(f"{fields[name]:.4g}")
    return fields
