"""A method's whole curve against the baseline's: the mean over sparsities has less noise."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from bench.check.baseline import Result
from bench.check.regression import Comparison, Place, how_many, paired, words
from bench.common.statistics.gate import Gate, shift
from bench.report import Cell


def compare_curves(
    cells: Sequence[Cell], baseline: Mapping[str, Result], gate: Gate
) -> list[Comparison]:
    """The verdict on each label's accuracies, averaged over its sparsities, paired by seed.

    Damage that three noisy seeds can't show at any one sparsity often shows here. Takes part only
    who has at least two sparsities, each with the same seeds before and now, from the same dense
    checkpoint.
    """
    curves: dict[Place, list[tuple[Result, Result]]] = {}
    for old, new in paired(cells, baseline):
        place = Place(new.pair, new.protocol, new.allocation, new.label, None)
        curves.setdefault(place, []).append((old, new))
    judged = (_judge(place, pairs, gate) for place, pairs in curves.items())
    return [comparison for comparison in judged if comparison is not None]


def _judge(place: Place, pairs: Sequence[tuple[Result, Result]], gate: Gate) -> Comparison | None:
    before: dict[int, list[float]] = {}
    now: dict[int, list[float]] = {}
    for old, new in pairs:
        if old.origin.checkpoint_sha256 != new.origin.checkpoint_sha256:
            return None
        if old.accuracy is not None and new.accuracy is not None:
            before.setdefault(new.seed, []).append(old.accuracy)
            now.setdefault(new.seed, []).append(new.accuracy)
    lengths = {len(accuracies) for accuracies in now.values()}
    if len(lengths) != 1 or lengths == {1}:
        return None
    means = [[fmean(part[seed]) for seed in now] for part in (before, now)]
    differences = [b - a for a, b in zip(*means, strict=True)]
    found = shift(differences, gate)
    reason = f"over all sparsities {words(found, gate)}"
    if found.verdict == "inconclusive":
        reason = "run more seeds" + how_many(differences, gate)
    was, becomes = map(fmean, means)
    return Comparison(place, found.verdict, reason, len(now), was, becomes, found)
