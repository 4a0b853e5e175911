"""What changed since the baseline: a verdict for each method at each sparsity, and on its curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal, NamedTuple

from bench.check.baseline import Result
from bench.common.statistics.gate import Gate, Shift, seeds_needed, shift
from bench.jobs.cell import Cell
from bench.jobs.metric import ACCURACY, METRICS, Metric

Verdict = Literal[
    "regressed", "changed", "inconclusive", "not comparable", "not run", "new", "improved", "pass"
]
FAILING: tuple[Verdict, ...] = ("regressed", "changed")


class Group(NamedTuple):
    """What the seeds of one verdict share; the sparsity None is the mean over all of them."""

    pair: str
    protocol: str
    allocation: str
    label: str
    sparsity: float | None


@dataclass(frozen=True)
class Change:
    """What changed for one group: a verdict with its reason.

    `before` and `now` are the metric, means over the paired seeds; `shift` is on differences of
    merits, see `Metric.merit`: positive is better.
    """

    group: Group
    verdict: Verdict
    reason: str = ""
    seeds: int = 0
    before: float | None = None
    now: float | None = None
    shift: Shift | None = None
    metric: Metric = ACCURACY


def judged(change: Change) -> bool:
    """Whether results were compared: not where one is missing, or both are without a result."""
    if change.verdict in ("new", "not run", "not comparable"):
        return False
    return change.verdict != "pass" or change.now is not None


Pairs = Sequence[tuple[Result, Result]]


def compare(cells: Sequence[Cell], baseline: Mapping[str, Result], gate: Gate) -> list[Change]:
    """The verdict of each group of the study's grid; seeds are paired by the key of their job."""
    groups: dict[Group, list[Cell]] = {}
    for cell in cells:
        job = cell.job
        group = Group(job.pair, job.protocol, job.allocation, cell.label, job.sparsity)
        groups.setdefault(group, []).append(cell)
    return [_group(group, part, baseline, gate) for group, part in groups.items()]


def paired(cells: Sequence[Cell], baseline: Mapping[str, Result]) -> list[tuple[Result, Result]]:
    """Baseline and present result of each cell that has both."""
    return [
        (baseline[cell.job.key], Result.of(cell.record, cell.label))
        for cell in cells
        if cell.record is not None and cell.job.key in baseline
    ]


def _group(
    group: Group, cells: Sequence[Cell], baseline: Mapping[str, Result], gate: Gate
) -> Change:
    if not any(cell.job.key in baseline for cell in cells):
        return Change(group, "new", "the baseline has nothing of it")
    pairs = paired(cells, baseline)
    if not pairs:
        return Change(group, "not run", "has not run, or not with today's code")
    if broken := _broken(pairs):
        return Change(group, "regressed", broken, len(pairs))
    both = [pair for pair in pairs if all(result.value is not None for result in pair)]
    if not both:
        old, new = pairs[0]
        if new.status == "ok":
            return Change(group, "improved", f"was {old.status}", len(pairs))
        return Change(group, "pass", f"still {new.status}", len(pairs))
    missing = sum(cell.job.key in baseline for cell in cells) - len(pairs)
    notes = [f"{missing} seeds not run"] * bool(missing) + _savings(both)
    return _values(group, both, gate, notes)


def _broken(pairs: Pairs) -> str:
    """Why it is a regression whatever the values are; empty if it isn't."""
    for old, new in pairs:
        if new.status not in ("ok", old.status):
            return f"seed {new.seed}: {new.status} ({new.reason}), was {old.status}"
        for name, count in new.spent.items():
            before = old.spent.get(name, 0)
            if count > before:
                what = name.replace("_", " ")
                return f"seed {new.seed}: spends {count:,} {what}, was {before:,}"
        if None not in (old.nonzero, new.nonzero) and old.nonzero != new.nonzero:
            return f"seed {new.seed}: keeps {new.nonzero:,} weights, was {old.nonzero:,}"
    return ""


def _savings(pairs: Pairs) -> list[str]:
    """Where the first seed spends less of its budget than before."""
    old, new = pairs[0]
    return [
        f"spends {new.spent.get(name, 0):,} {name.replace('_', ' ')}, was {count:,}"
        for name, count in old.spent.items()
        if new.spent.get(name, 0) < count
    ]


def _values(group: Group, pairs: Pairs, gate: Gate, notes: Sequence[str]) -> Change:
    """First the bits, where the environments are equal; then the statistics."""
    metric = METRICS[pairs[0][1].metric]
    before = [old.value or 0.0 for old, _ in pairs]
    now = [new.value or 0.0 for _, new in pairs]
    differences = [metric.merit(b) - metric.merit(a) for a, b in zip(before, now, strict=True)]
    judged = shift(differences, gate)
    verdict, reason = _verdict(pairs, judged, differences, gate)
    reason = "; ".join([reason, *notes])
    return Change(group, verdict, reason, len(pairs), fmean(before), fmean(now), judged, metric)


def _verdict(
    pairs: Pairs, judged: Shift, differences: Sequence[float], gate: Gate
) -> tuple[Verdict, str]:
    if any(old.metric != new.metric for old, new in pairs):
        return "not comparable", "judged by another metric than the baseline"
    if any(old.origin.checkpoint_sha256 != new.origin.checkpoint_sha256 for old, new in pairs):
        return "not comparable", "another dense checkpoint than the baseline's"
    same = all(old.origin.fingerprint == new.origin.fingerprint for old, new in pairs)
    other = [str(new.seed) for old, new in pairs if not identical(old, new)]
    if same and not other:
        return "pass", "the same bits"
    within = judged.verdict in ("pass", "inconclusive")
    if same and gate.exact and within:
        seeds = f"seed{'s' * (len(other) > 1)} {', '.join(other)}"
        return "changed", f"other bits in an equal environment ({seeds}): {_words(judged, gate)}"
    if judged.verdict == "inconclusive":
        return "inconclusive", "run more seeds" + _how_many(differences, gate)
    return judged.verdict, _words(judged, gate)


def identical(old: Result, new: Result) -> bool:
    """Whether two results are of the same bits, as far as both say."""
    masks = old.mask_sha256, new.mask_sha256
    return (
        (None in masks or masks[0] == masks[1]) and old.value == new.value and old.loss == new.loss
    )


def _words(judged: Shift, gate: Gate) -> str:
    """What a verdict says of the margin."""
    if judged.verdict == "regressed":
        return f"worse by more than the margin of {gate.margin:g}"
    if judged.verdict == "improved":
        return f"better by more than the margin of {gate.margin:g}"
    if judged.verdict == "inconclusive":
        return "too few seeds to say what it costs"
    return f"within the margin of {gate.margin:g}"


def _how_many(differences: Sequence[float], gate: Gate) -> str:
    """How many seeds would settle it, as the end of a sentence."""
    if len(differences) < 2:
        return ": one tells nothing of the spread"
    needed = seeds_needed(stdev(differences), gate)
    if needed is not None and needed <= len(differences):
        return ": unchanged code would have passed with these nine times of ten"
    count = f"about {needed}" if needed else "hundreds"
    return f": with this spread unchanged code needs {count}"


def compare_curves(
    cells: Sequence[Cell], baseline: Mapping[str, Result], gate: Gate
) -> list[Change]:
    """The verdict on each label's merits, averaged over its sparsities, paired by seed.

    Damage that three noisy seeds can't show at any one sparsity often shows here. Takes part only
    who has at least two sparsities, each with the same seeds before and now, from the same dense
    checkpoint.
    """
    curves: dict[Group, list[tuple[Result, Result]]] = {}
    for old, new in paired(cells, baseline):
        group = Group(new.pair, new.protocol, new.allocation, new.label, None)
        curves.setdefault(group, []).append((old, new))
    judged = (_judge_curve(group, pairs, gate) for group, pairs in curves.items())
    return [change for change in judged if change is not None]


def _judge_curve(group: Group, pairs: Sequence[tuple[Result, Result]], gate: Gate) -> Change | None:
    before: dict[int, list[float]] = {}
    now: dict[int, list[float]] = {}
    metric = METRICS[pairs[0][1].metric]
    for old, new in pairs:
        if old.origin.checkpoint_sha256 != new.origin.checkpoint_sha256:
            return None
        if old.metric != new.metric:
            return None
        if old.value is not None and new.value is not None:
            before.setdefault(new.seed, []).append(old.value)
            now.setdefault(new.seed, []).append(new.value)
    lengths = {len(values) for values in now.values()}
    if len(lengths) != 1 or lengths == {1}:
        return None
    means = [[fmean(map(metric.merit, part[seed])) for seed in now] for part in (before, now)]
    differences = [b - a for a, b in zip(*means, strict=True)]
    found = shift(differences, gate)
    reason = f"over all sparsities {_words(found, gate)}"
    if found.verdict == "inconclusive":
        reason = "run more seeds" + _how_many(differences, gate)
    was, becomes = (fmean(map(fmean, part.values())) for part in (before, now))
    return Change(group, found.verdict, reason, len(now), was, becomes, found, metric)
