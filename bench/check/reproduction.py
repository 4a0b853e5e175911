"""Our records beside published values: reproduced, different, or not the same experiment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from bench.check.published import Column, Value, published_values
from bench.jobs.cell import Cell
from bench.jobs.metric import ACCURACY
from bench.jobs.record import Record
from bench.pairs import PAIRS

Reproduced = Literal["reproduced", "differs", "not comparable", "not run"]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ours:
    """Our values of one group of seeds, accuracies in percent, on `examples` test examples.

    `error` is the standard error over the test examples; None for accuracies, of which it is known.
    """

    label: str
    values: Sequence[float]
    examples: int
    error: float | None = None

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return fmean(self.values)

    @property
    def std(self) -> float | None:
        """The sample standard deviation over seeds; None for a single one."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Reproduction:
    """One published value with ours, if there is one, and the verdict with its reason in words."""

    value: Value
    verdict: Reproduced
    reason: str = ""
    ours: Ours | None = None
    tolerance: float = math.nan

    @property
    def difference(self) -> float:
        """Ours - theirs, in percentage points or the unit of the metric; NaN where we have none."""
        return self.ours.mean - self.value.value if self.ours else math.nan

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance, whatever else is different."""
        return abs(self.difference) <= self.tolerance


def tolerance(ours: Ours, value: Value, runs: int) -> float:
    """The difference up to which ours and theirs are one result, at 95 % confidence.

    t √V with V the sum of the variances below and t Student's 0.975 quantile with the effective
    degrees of freedom of Welch and Satterthwaite, V² / Σ (V_i² / ν_i):

    - our seeds: s²/n, ν = n - 1, with s the sample standard deviation over n seeds (0 for one);
    - theirs: the published standard error squared, ν = runs - 1; without one, runs of unknown
      spread are taken to spread as ours do, and the first line becomes s² (1/n + 1/runs);
    - the test set: p(1 - p)/N + q(1 - q)/N, ν = ∞, the binomial variances of both accuracies p and
      q on N test images. On the same images their errors go together, so that this is an upper
      bound; it is all that a deterministic method has. Of another metric it is twice the square
      of our standard error over the test examples.
    """
    spread = (ours.std or 0.0) ** 2
    seeds = len(ours.values)
    theirs = 0.0 if value.std is None else value.std**2
    own = spread / seeds + (spread / runs if value.std is None else 0.0)
    if ours.error is None:
        test = sum(p * (100 - p) / ours.examples for p in (ours.mean, value.value))
    else:
        test = 2 * ours.error**2
    total = own + theirs + test
    uncertain = sum(
        part**2 / freedom
        for part, freedom in ((own, seeds - 1), (theirs, runs - 1))
        if part and freedom
    )
    from scipy.stats import norm, t

    level = (1 + CONFIDENCE) / 2
    factor = float(t.ppf(level, total**2 / uncertain) if uncertain else norm.ppf(level))
    return factor * math.sqrt(total)


def judge(values: Sequence[tuple[Value, Column]], cells: Sequence[Cell]) -> list[Reproduction]:
    """A verdict for each published value, from the cells of one study.

    Of several labels with the column's method and allocation, the one is taken whose
    hyper-parameters differ least from the published ones.
    """
    return [_judge(value, column, cells) for value, column in values]


def answered(cells: Sequence[Cell]) -> list[Reproduction]:
    """A verdict for each published value of the cells' pairs that has a result of ours."""
    values = published_values().select(None, {cell.job.pair for cell in cells})
    return [item for item in judge(values, cells) if item.ours is not None]


def _judge(value: Value, column: Column, cells: Sequence[Cell]) -> Reproduction:
    if column.ours is None:
        return Reproduction(value, "not run", f"there is no {value.method} here")
    found = _answering(value, column, cells)
    if not found:
        reason = f"the study has no {column.ours}, {column.allocation}, at this sparsity"
        return Reproduction(value, "not run", reason)
    records = [cell.record for cell in found if cell.record is not None]
    good = [r for r in records if r.status == "ok" and _found(r, value) is not None]
    if not good:
        reason = "; ".join(dict.fromkeys(f"{r.status}: {r.reason}" for r in records))
        return Reproduction(value, "not run", reason or "has not run, or not with today's code")
    ours = Ours(
        found[0].label,
        [number for r in good if (number := _found(r, value)) is not None],
        good[0].test_examples or 1,
        None if value.judged_by is ACCURACY else max(r.score_error or 0.0 for r in good),
    )
    allowed = tolerance(ours, value, column.runs)
    differences = _differences(value, column, good[0])
    if differences:
        return Reproduction(value, "not comparable", "; ".join(differences), ours, allowed)
    verdict: Reproduced = "reproduced" if abs(ours.mean - value.value) <= allowed else "differs"
    left_out = len(found) - len(good)
    reason = f"{left_out} of {len(found)} seeds have no result" if left_out else ""
    return Reproduction(value, verdict, reason, ours, allowed)


def _found(record: Record, value: Value) -> float | None:
    """What the record holds of the value's metric."""
    if value.metric == "top5":
        return record.top5
    metric = value.judged_by
    return metric.of(record) if record.metric == metric.name else None


def _answering(value: Value, column: Column, cells: Sequence[Cell]) -> list[Cell]:
    """The cells, one per seed, of the label that answers this value best."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        job = cell.job
        if job.control is not None or job.budget.tuning_trials:
            continue  # Another method than the published one.
        here = (job.pair, job.method, job.allocation)
        if here == (value.pair, column.ours, column.allocation) and math.isclose(
            job.sparsity, value.sparsity, abs_tol=1e-9
        ):
            found.setdefault(cell.label, []).append(cell)
    return min(found.values(), key=lambda part: _distance(part[0], column), default=[])


def _distance(cell: Cell, column: Column) -> tuple[bool, int, float]:
    """How far a configuration is from the published one: first the fields, then the samples."""
    own = cell.job.hyperparameters
    published = column.hyperparameters
    fields = sum(own.get(name) != value for name, value in published.items())
    samples = [float(part.get("samples", 1)) for part in (own, published)]
    more = abs(math.log(samples[0] / samples[1])) if "samples" in published else 0.0
    return cell.job.protocol != column.protocol, fields, more


def _differences(value: Value, column: Column, record: Record) -> list[str]:
    """What is not the same there and here, in words."""
    facts: list[tuple[str, object, object]] = [
        ("protocol", column.protocol, record.protocol),
        *(
            (name.replace("_", " "), published, record.hyperparameters.get(name))
            for name, published in column.hyperparameters.items()
        ),
    ]
    if column.prunable is not None:
        facts.append(("prunable weights", column.prunable, record.prunable))
    metric = value.judged_by
    dense: float | None = getattr(record, metric.dense)
    if value.metric != "top5" and value.dense_accuracy is not None and dense is not None:
        near = abs(value.dense_accuracy - dense) <= PAIRS[record.pair].slack
        facts.append(
            (f"dense {metric.noun}", value.dense_accuracy, value.dense_accuracy if near else dense)
        )
    words = [
        f"{name} {_plain(there)} there, {_plain(here)} here"
        for name, there, here in facts
        if there != here
    ]
    uses_data = any(record.spent.model_dump().values())
    if uses_data and not (column.hyperparameters or column.differences):
        words.append("the hyper-parameters there are not known")
    if record.recalibration:
        words.append(f"BatchNorm statistics renewed on {record.recalibration:,} examples here")
    return words + column.differences


def _plain(value: object) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
