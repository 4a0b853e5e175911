"""The study's grid as one flat data frame, and its summary over seeds; gaps and failures stay."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel

from bench.budget import Budget
from bench.errors import UserError
from bench.job import Job, canonical_json
from bench.record import Record

PANEL = ["pair", "allocation", "protocol"]
GROUP = [*PANEL, "label", "sparsity"]

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
    *("status", "reason"),
    *_MEASURES,
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
        "source_sha256",
        "finished",
    ),
)

_OVER_SEEDS: dict[str, tuple[str, str]] = {
    "accuracy_mean": ("accuracy", "mean"),
    "accuracy_std": ("accuracy", "std"),
    "accuracy_min": ("accuracy", "min"),
    "accuracy_max": ("accuracy", "max"),
    "top5_mean": ("top5", "mean"),
    "top5_std": ("top5", "std"),
    "loss_mean": ("loss", "mean"),
    "prune_seconds_median": ("prune_seconds", "median"),
    "peak_bytes_max": ("peak_bytes", "max"),
    "compression_mean": ("compression", "mean"),
    "speedup_mean": ("speedup", "mean"),
    "flops_mean": ("flops", "mean"),
    "ok": ("accuracy", "count"),
    "expected": ("accuracy", "size"),
}


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
    counts as kept; `speedup` is theoretical: dense FLOPs / FLOPs.
    """
    table = pd.DataFrame([_row(cell) for cell in cells], columns=list(_COLUMNS))
    table = table.astype(dict.fromkeys(("sparsity", *_MEASURES, *_TRAINING), "float64"))
    table = table.astype(dict.fromkeys(("seed", "threads", *_COUNTS, *_SPENT, *_LIMITS), "Int64"))
    kept = table.parameters - table.prunable + table.nonzero
    table["compression"] = (table.parameters / kept).astype("Float64")
    table["speedup"] = (table.dense_flops / table.flops).astype("Float64")
    return table


def _row(cell: Cell) -> dict[str, Any]:
    job, record = cell.job, cell.record
    row: dict[str, Any] = {"label": cell.label, "key": record.key if record else job.key}
    row |= {name: getattr(job, name) for name in _IDENTITY[2:]}
    row |= {"hyperparameters": canonical_json(job.hyperparameters)}
    row |= {name: _said(getattr(job, name)) for name in ("training", "schedule")}
    row |= {f"limit_{name}": getattr(job.budget, name) for name in RESOURCES}
    if record is None:
        return row | {"status": "missing", "reason": ""}
    row |= {name: getattr(record, name) for name in (*_MEASURES, *_TRAINING, *_COUNTS)}
    row |= {f"spent_{name}": getattr(record.spent, name) for name in RESOURCES}
    row |= {name: getattr(record.environment, name) for name in _ENVIRONMENT}
    row |= {name: getattr(record, name) for name in _COLUMNS[-3:]}
    row |= {"notes": "; ".join(record.notes)}
    return row | dict(zip(("status", "reason"), _outcome(record), strict=True))


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


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each pair, allocation, protocol, label and sparsity of `frame`'s result.

    Figures are over the seeds that are ok: `accuracy_std` is the sample standard deviation (NaN for
    one seed), time is the median, memory the maximum. `ok` of `expected` seeds have a result;
    `status` is `ok`, `partial`, or what the cell came to instead, and `problems` says why.
    Methods, pairs and allocations are in the order of their first appearance.
    """
    measured = list(dict.fromkeys(source for source, _ in _OVER_SEEDS.values()))
    good = table[measured].where(table.status == "ok")
    keys = [table[name] for name in GROUP]
    groups = good.groupby(keys, sort=False, observed=True)
    result = groups.agg(**_OVER_SEEDS)
    result["method"] = table.groupby(GROUP, sort=False).method.first()
    problems = _problems(table)
    result["status"] = [
        _status(ok, expected, problems.get(key, []))
        for key, ok, expected in zip(result.index, result.ok, result.expected, strict=True)
    ]
    result["problems"] = [_sentence(problems.get(key, [])) for key in result.index]
    return _in_order(result.reset_index())


Problem = tuple[int, str, str]


def _problems(table: pd.DataFrame) -> dict[Any, list[Problem]]:
    """Seed, status and reason of every cell that isn't ok, by group."""
    found: dict[Any, list[Problem]] = {}
    bad = table[table.status != "ok"]
    for *key, seed, status, reason in bad[[*GROUP, "seed", "status", "reason"]].itertuples(
        index=False, name=None
    ):
        found.setdefault(tuple(key), []).append((seed, status, reason))
    return found


def _status(ok: int, expected: int, problems: list[Problem]) -> str:
    if ok:
        return "ok" if ok == expected else "partial"
    return next((status for _, status, _ in problems if status != "missing"), "missing")


def _sentence(problems: list[Problem]) -> str:
    """Such as `seeds 0, 2: failed (no memory); seed 1: has not run`."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for seed, status, reason in problems:
        seeds.setdefault((status, reason), []).append(str(seed))
    parts = []
    for (status, reason), which in seeds.items():
        fate = "has not run" if status == "missing" else status
        because = f" ({reason})" if reason else ""
        parts.append(f"seed{'s' * (len(which) > 1)} {', '.join(which)}: {fate}{because}")
    return "; ".join(parts)


def _in_order(result: pd.DataFrame) -> pd.DataFrame:
    """Pairs, allocations, protocols and labels by first appearance, sparsities ascending."""
    ranks = {name: pd.factorize(result[name])[0] for name in [*PANEL, "label"]}
    order = pd.DataFrame({**ranks, "sparsity": result.sparsity}).sort_values(GROUP).index
    result = result.loc[order].reset_index(drop=True)
    rest = [name for name in result.columns if name not in {*GROUP, "method"}]
    return result[[*PANEL, "label", "method", "sparsity", *rest]]
