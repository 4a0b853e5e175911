"""What changed since the baseline: one verdict for each method at each sparsity, over its seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal, NamedTuple

from bench.check.baseline import Result
from bench.common.statistics.gate import Gate, Shift, seeds_needed, shift
from bench.report import Cell

Verdict = Literal[
    "regressed", "changed", "inconclusive", "not comparable", "not run", "new", "improved", "pass"
]
FAILING: tuple[Verdict, ...] = ("regressed", "changed")


class Place(NamedTuple):
    """What the seeds of one comparison share; the sparsity None is the mean over all of them."""

    pair: str
    protocol: str
    allocation: str
    label: str
    sparsity: float | None


@dataclass(frozen=True)
class Comparison:
    """A verdict with its reason; accuracies in percent, means over the paired seeds."""

    place: Place
    verdict: Verdict
    reason: str = ""
    seeds: int = 0
    before: float | None = None
    now: float | None = None
    shift: Shift | None = None


def judged(comparison: Comparison) -> bool:
    """Whether results were compared: not where one is missing, or both are without accuracy."""
    if comparison.verdict in ("new", "not run", "not comparable"):
        return False
    return comparison.verdict != "pass" or comparison.now is not None


Pairs = Sequence[tuple[Result, Result]]


def compare(cells: Sequence[Cell], baseline: Mapping[str, Result], gate: Gate) -> list[Comparison]:
    """The verdict of each place of the study's grid; seeds are paired by the key of their job."""
    groups: dict[Place, list[Cell]] = {}
    for cell in cells:
        job = cell.job
        place = Place(job.pair, job.protocol, job.allocation, cell.label, job.sparsity)
        groups.setdefault(place, []).append(cell)
    return [_group(place, part, baseline, gate) for place, part in groups.items()]


def paired(cells: Sequence[Cell], baseline: Mapping[str, Result]) -> list[tuple[Result, Result]]:
    """Baseline and present result of each cell that has both."""
    return [
        (baseline[cell.job.key], Result.of(cell.record, cell.label))
        for cell in cells
        if cell.record is not None and cell.job.key in baseline
    ]


def _group(
    place: Place, cells: Sequence[Cell], baseline: Mapping[str, Result], gate: Gate
) -> Comparison:
    if not any(cell.job.key in baseline for cell in cells):
        return Comparison(place, "new", "the baseline has nothing of it")
    pairs = paired(cells, baseline)
    if not pairs:
        return Comparison(place, "not run", "has not run, or not with today's code")
    if broken := _broken(pairs):
        return Comparison(place, "regressed", broken, len(pairs))
    both = [pair for pair in pairs if all(result.accuracy is not None for result in pair)]
    if not both:
        old, new = pairs[0]
        if new.status == "ok":
            return Comparison(place, "improved", f"was {old.status}", len(pairs))
        return Comparison(place, "pass", f"still {new.status}", len(pairs))
    missing = sum(cell.job.key in baseline for cell in cells) - len(pairs)
    notes = [f"{missing} seeds not run"] * bool(missing) + _savings(both)
    return _accuracies(place, both, gate, notes)


def _broken(pairs: Pairs) -> str:
    """Why it is a regression whatever the accuracies are; empty if it isn't."""
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


def _accuracies(place: Place, pairs: Pairs, gate: Gate, notes: Sequence[str]) -> Comparison:
    """First the bits, where the environments are equal; then the statistics."""
    before = [old.accuracy or 0.0 for old, _ in pairs]
    now = [new.accuracy or 0.0 for _, new in pairs]
    differences = [b - a for a, b in zip(before, now, strict=True)]
    judged = shift(differences, gate)
    verdict, reason = _verdict(pairs, judged, differences, gate)
    means = fmean(before), fmean(now)
    return Comparison(place, verdict, "; ".join([reason, *notes]), len(pairs), *means, judged)


def _verdict(
    pairs: Pairs, judged: Shift, differences: Sequence[float], gate: Gate
) -> tuple[Verdict, str]:
    if any(old.origin.checkpoint_sha256 != new.origin.checkpoint_sha256 for old, new in pairs):
        return "not comparable", "another dense checkpoint than the baseline's"
    same = all(old.origin.fingerprint == new.origin.fingerprint for old, new in pairs)
    other = [str(new.seed) for old, new in pairs if not identical(old, new)]
    if same and not other:
        return "pass", "the same bits"
    within = judged.verdict in ("pass", "inconclusive")
    if same and gate.exact and within:
        seeds = f"seed{'s' * (len(other) > 1)} {', '.join(other)}"
        return "changed", f"other bits in an equal environment ({seeds}): {words(judged, gate)}"
    if judged.verdict == "inconclusive":
        return "inconclusive", "run more seeds" + how_many(differences, gate)
    return judged.verdict, words(judged, gate)


def identical(old: Result, new: Result) -> bool:
    """Whether two results are of the same bits, as far as both say."""
    masks = old.mask_sha256, new.mask_sha256
    return (
        (None in masks or masks[0] == masks[1])
        and old.accuracy == new.accuracy
        and old.loss == new.loss
    )


def words(judged: Shift, gate: Gate) -> str:
    """What a verdict says of the margin."""
    if judged.verdict == "regressed":
        return f"worse by more than the margin of {gate.margin:g}"
    if judged.verdict == "improved":
        return f"better by more than the margin of {gate.margin:g}"
    if judged.verdict == "inconclusive":
        return "too few seeds to say what it costs"
    return f"within the margin of {gate.margin:g}"


def how_many(differences: Sequence[float], gate: Gate) -> str:
    """How many seeds would settle it, as the end of a sentence."""
    if len(differences) < 2:
        return ": one tells nothing of the spread"
    needed = seeds_needed(stdev(differences), gate)
    if needed is not None and needed <= len(differences):
        return ": unchanged code would have passed with these nine times of ten"
    count = f"about {needed}" if needed else "hundreds"
    return f": with this spread unchanged code needs {count}"
