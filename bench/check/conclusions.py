"""One sentence per published method: where our results agree with it, derived from the verdicts."""

from collections.abc import Sequence

from bench.check.reproduction import Reproduction
from bench.report.numerals import percent
from bench.report.tables.tables import Footnotes

_SHORT = 120
"""The letters up to which a difference stands in the sentence itself."""


def conclusions(found: Sequence[Reproduction], footnotes: Footnotes) -> list[str]:
    """A sentence for each published method of one table that has results of ours.

    It says where the differences lie within the tolerance, and, where the experiments aren't like
    for like, why; a long reason is left to its footnote.
    """
    columns: dict[tuple[str, str], list[Reproduction]] = {}
    for item in found:
        if item.ours is not None:
            why = item.reason if item.verdict == "not comparable" else ""
            columns.setdefault((item.value.method, why), []).append(item)
    return [_sentence(method, why, part, footnotes) for (method, why), part in columns.items()]


def _sentence(method: str, why: str, found: Sequence[Reproduction], footnotes: Footnotes) -> str:
    outcome = f"{method}: {_extent(found)}"
    if not why:
        return f"{outcome}."
    shown = why if len(why) <= _SHORT else f"see {footnotes.mark(why)}"
    if all(item.agrees for item in found):
        return f"{outcome}, although the experiments aren't like for like ({shown})."
    return f"{outcome}; the experiments aren't like for like ({shown})."


def _extent(found: Sequence[Reproduction]) -> str:
    """At which sparsities the differences lie within the tolerance, and how large they get."""
    ordered = sorted(found, key=lambda item: item.value.sparsity)
    good = [item.agrees for item in ordered]
    far = max(ordered, key=lambda item: abs(item.difference))
    metric = far.value.judged_by
    unit = "" if metric.lower else " points"
    where = f"{far.difference:+{metric.format}}{unit}, at {percent(far.value.sparsity)} %"
    if len(ordered) == 1:
        return f"the difference lies {'within' if good[0] else 'beyond'} the tolerance ({where})"
    largest = f"(the largest is {where})"
    if all(good):
        return f"all {len(ordered)} differences lie within the tolerance {largest}"
    if not any(good):
        return f"all {len(ordered)} differences lie beyond the tolerance {largest}"
    inside = sum(good)
    if all(good[:inside]):
        ends = percent(ordered[inside - 1].value.sparsity), percent(ordered[inside].value.sparsity)
        return (
            f"differences up to {ends[0]} % sparsity lie within the tolerance, from {ends[1]} % on "
            f"beyond it {largest}"
        )
    beyond = ", ".join(percent(item.value.sparsity) for item in ordered if not item.agrees)
    return (
        f"{inside} of {len(ordered)} differences lie within the tolerance, not at {beyond} % "
        f"{largest}"
    )
