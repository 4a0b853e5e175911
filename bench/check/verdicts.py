"""The verdicts of a check as rows of a CSV file, as test cases, and as sentences."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bench.check.junit import JUnitCase, Outcome
from bench.check.regression import FAILING, Change
from bench.check.reproduction import Reproduction
from bench.check.tables import sparsity_of
from bench.check.timing import Timing
from bench.common.statistics.gate import Gate
from bench.report.numerals import percent

CSV_COLUMNS = (
    *("kind", "table", "pair", "allocation", "method", "label", "sparsity", "seeds"),
    *("reference", "reference_std", "ours", "ours_std", "difference", "low", "high"),
    *("verdict", "reason"),
)


def counted(verdicts: Iterable[str]) -> str:
    """Such as `12 pass, 1 regressed`, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(verdicts).most_common())


def timing_lines(found: Sequence[Timing], gate: Gate) -> list[str]:
    """A sentence for each label whose time changed by much."""
    judged = "a failure" if gate.slowdown else "not judged"
    return [
        f"{item.label} ({item.pair}, {item.allocation}) is {item.verdict}: {item.factor:.2f} times "
        f"the baseline's pruning time, in yardsticks; slower is {judged}."
        for item in found
        if item.verdict != "same"
    ]


def csv_rows(
    published: Sequence[Reproduction], gated: Sequence[Change]
) -> list[tuple[object, ...]]:
    """The rows of `check.csv`, in the order of `CSV_COLUMNS`; gaps are None."""
    return [*map(_published_csv, published), *map(_gate_csv, gated)]


def _published_csv(item: Reproduction) -> tuple[object, ...]:
    value, ours = item.value, item.ours
    found = (ours.label, len(ours.values), ours.mean, ours.std) if ours else (None, 0) * 2
    shifted = (item.difference, -item.tolerance, item.tolerance) if ours else (None,) * 3
    return (
        *("published", value.table, value.pair, None, value.method, found[0], value.sparsity),
        *(found[1], value.value, value.std, *(found[2:] if ours else (None, None)), *shifted),
        *(item.verdict, item.reason),
    )


def _gate_csv(item: Change) -> tuple[object, ...]:
    group, moved = item.group, item.shift
    bounds = (moved.mean, moved.low, moved.high) if moved else (None,) * 3
    return (
        *("regression", None, group.pair, group.allocation, None, group.label, group.sparsity),
        *(item.seeds, item.before, None, item.now, None, *bounds, item.verdict, item.reason),
    )


def cases(
    published: Sequence[Reproduction],
    gated: Sequence[Change],
    timed: Sequence[Timing],
    gate: Gate,
) -> list[JUnitCase]:
    """Every verdict as a test case; only what makes the command exit with 1 is a failure."""
    found = []
    for change in gated:
        where, good = change.group, change.verdict in ("pass", "improved")
        failed: Outcome = "failure" if change.verdict in FAILING else "skipped"
        text = f"{change.verdict}: {change.reason}"
        name = f"{where.label} at {sparsity_of(change)}"
        group = f"{where.pair}.{where.allocation}"
        found.append(JUnitCase("regression", group, name, "passed" if good else failed, text))
    for timing in timed:
        slow: Outcome = "failure" if gate.slowdown and timing.verdict == "slower" else "passed"
        group, text = f"{timing.pair}.{timing.allocation}", f"slower by {timing.factor:.2f}"
        found.append(JUnitCase("pruning time", group, timing.label, slow, text))
    for item in published:
        same: Outcome = "passed" if item.verdict == "reproduced" else "skipped"
        group, text = f"{item.value.table}.{item.value.pair}", f"{item.verdict}: {item.reason}"
        name = f"{item.value.method} at {percent(item.value.sparsity)}"
        found.append(JUnitCase("published", group, name, same, text))
    return found
