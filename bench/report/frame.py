"""The study's grid as one flat data frame, where gaps and failures stay."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel

from bench.common.errors import UserError
from bench.jobs.budget import Budget
from bench.jobs.findings import PHASES
from bench.jobs.job import Job, canonical_json
from bench.jobs.record import Record

PANEL = ["pair", "allocation", "protocol"]
GROUP = [*PANEL, "label", "sparsity"]

PARTS = (*PHASES, "rest")
"""What pruning seconds are divided into: the phases, and what lies outside them."""
PART_SECONDS = tuple(f"{part}_seconds" for part in PARTS)

_MEASURES = ("dense_accuracy", "dense_loss", "accuracy", "top5", "loss", "prune_seconds")
_TRAINING = ("train_seconds", "emergent_sparsity")
_COUNTS = (
    *("nonzero", "prunable", "parameters", "test_examples"),
    *("peak_bytes", "flops", "dense_flops"),
    *("train_examples", "train_flops"),
)
RESOURCES = tuple(Budget.model_fields)
_LIMITS = tuple(f"limit_{resource}" for resource in RESOURCES)
_SPENT = tuple(f"spent_{resource}" for resource in RESOURCES)
_IDENTITY = ("label", "key", "pair", "method", "allocation", "sparsity", "seed", "protocol")
_ENVIRONMENT = ("processor", "device", "threads")
_COLUMNS = (
    *_IDENTITY,
    *("control", "status", "reason"),
    *_MEASURES,
    *PART_SECONDS,
    *_TRAINING,
    *_COUNTS,
    *("compression", "speedup"),
    *_SPENT,
    *_LIMITS,
    *_ENVIRONMENT,
    *(
        "training",
        "schedule",
        "hyperparameters",
        "notes",
        "checkpoint_sha256",
        "pair_sha256",
        "data_sha256",
        "source_sha256",
        "finished",
    ),
)


class Cell(NamedTuple):
    """One cell of a study's grid: the method's label, the job, and its record if it has run."""

    label: str
    job: Job
    record: Record | None


def frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """`rows` of one study; raises `UserError` if two cells differ in nothing that tables show."""
    table = rows(cells)
    twins = table[table.duplicated([*GROUP, "seed"])]
    if len(twins):
        one = twins.iloc[0]
        raise UserError(
            f"Two cells of the study are both {one.label!r} ({one.pair}, {one.allocation}, "
            f"{one.sparsity:g}, seed {one.seed}): give each variant a label of its own."
        )
    return table


def rows(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row a cell, in the order given; a cell without a record has the status `missing`.

    `compression` is parameters / nonzero parameters, where everything outside the prunable weights
    counts as kept; `speedup` is theoretical: dense FLOPs / FLOPs. Both are missing where nothing is
    left to divide by. The columns `PART_SECONDS` sum to `prune_seconds` where the record divides
    them, and are missing elsewhere.
    """
    table = pd.DataFrame([_row(cell) for cell in cells], columns=list(_COLUMNS))
    table = table.astype(
        dict.fromkeys(("sparsity", *_MEASURES, *PART_SECONDS, *_TRAINING), "float64")
    )
    table = table.astype(dict.fromkeys(("seed", "threads", *_COUNTS, *_SPENT, *_LIMITS), "Int64"))
    kept = table.parameters - table.prunable + table.nonzero
    table["compression"] = _ratio(table.parameters, kept)
    table["speedup"] = _ratio(table.dense_flops, table.flops)
    return table


def _ratio(whole: pd.Series, part: pd.Series) -> pd.Series:
    """Missing where either is, and where the part is zero."""
    return (whole / part.where(part > 0)).astype("Float64")


def _row(cell: Cell) -> dict[str, Any]:
    job, record = cell.job, cell.record
    row: dict[str, Any] = {"label": cell.label, "key": record.key if record else job.key}
    row |= {name: getattr(job, name) for name in _IDENTITY[2:]}
    row |= {"hyperparameters": canonical_json(job.hyperparameters), "control": job.control or ""}
    row |= {name: _said(getattr(job, name)) for name in ("training", "schedule")}
    row |= {f"limit_{name}": getattr(job.budget, name) for name in RESOURCES}
    if record is None:
        return row | {"status": "missing", "reason": ""}
    row |= {name: getattr(record, name) for name in (*_MEASURES, *_TRAINING, *_COUNTS)}
    row |= _parts(record)
    row |= {f"spent_{name}": getattr(record.spent, name) for name in RESOURCES}
    row |= {name: getattr(record.environment, name) for name in _ENVIRONMENT}
    row |= {name: getattr(record, name) for name in _COLUMNS[-5:]}
    row |= {"notes": "; ".join(record.notes)}
    return row | dict(zip(("status", "reason"), _outcome(record), strict=True))


def _parts(record: Record) -> dict[str, float]:
    """The seconds of each part; nothing where the record doesn't divide them."""
    if not record.phase_seconds or record.prune_seconds is None:
        return {}
    seconds = [record.phase_seconds.get(phase, 0.0) for phase in PHASES]
    # Clocks are read one after the other: the rest is never less than nothing.
    rest = max(0.0, record.prune_seconds - sum(seconds))
    return dict(zip(PART_SECONDS, (*seconds, rest), strict=True))


def _said(part: BaseModel | None) -> str:
    """What a recipe or a schedule says beside its defaults, as `epochs 20, batch 64`."""
    if part is None:
        return ""
    said = part.model_dump(exclude_defaults=True)
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items())


def _outcome(record: Record) -> tuple[str, str]:
    """Status and reason; a success that holds no accuracy is none."""
    if record.status == "ok" and record.accuracy is None:
        return "failed", "the record holds no accuracy"
    return record.status, " ".join(record.reason.split())
