"""The verdicts of a check as tables, as rows for a CSV file, and as test cases."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.check.conclusions import conclusions
from bench.check.junit import Case, Outcome
from bench.check.pace import Timing
from bench.check.regression import FAILING, Comparison
from bench.check.reproduction import CONFIDENCE, Reproduction
from bench.common.statistics.gate import Gate
from bench.report.numerals import DASH, percent
from bench.report.tables.tables import Entry, Footnotes, Row, Table

CSV_COLUMNS = (
    *("kind", "table", "pair", "allocation", "method", "label", "sparsity", "seeds"),
    *("reference", "reference_std", "ours", "ours_std", "difference", "low", "high"),
    *("verdict", "reason"),
)


def published_tables(found: Sequence[Reproduction]) -> list[Table]:
    """A table for each published one and pair; what has no cell of ours is a note beneath it."""
    groups: dict[tuple[str, str], list[Reproduction]] = {}
    for item in found:
        groups.setdefault((item.value.table, item.value.pair), []).append(item)
    return [_published(table, pair, part) for (table, pair), part in groups.items()]


def _published(table: str, pair: str, found: Sequence[Reproduction]) -> Table:
    footnotes = Footnotes()
    absent = Counter((item.value.method, item.reason) for item in found if item.ours is None)
    sources = dict.fromkeys(item.value.source for item in found)
    rows = [_published_row(item, footnotes) for item in found if item.ours is not None]
    return Table(
        pair=pair,
        kind="published",
        setting=f"{table}, {pair}",
        caption=(
            f"Published top-1 accuracies of {table} beside ours on {pair}, in percent "
            f"(source: {'; '.join(sources)}). Theirs with the standard error where it is given, "
            "ours as mean ± sample standard deviation over seeds. The tolerance takes both spreads "
            f"and the binomial error of the test images into account, at {CONFIDENCE:.0%}."
        ),
        corner="method",
        columns=["sparsity (%)", "theirs", "ours", "difference", "tolerance", "verdict"],
        rows=rows,
        notes=[
            *((DASH, sentence) for sentence in conclusions(found, footnotes)),
            *footnotes.listed(dash=False),
            *((DASH, f"{method}: not run, {why} ({n})") for (method, why), n in absent.items()),
        ],
    )


def _published_row(item: Reproduction, footnotes: Footnotes) -> Row:
    assert item.ours is not None
    value, ours = item.value, item.ours
    same = ours.label == value.method
    mark = footnotes.mark(item.reason) if item.reason else ""
    verdict: str = item.verdict
    if verdict == "not comparable":
        verdict += ", within" if item.agrees else ", beyond"
    return Row(
        value.method if same else f"{value.method} (here {ours.label})",
        [
            Entry(percent(value.sparsity)),
            Entry(f"{value.value:.2f}", "" if value.std is None else f"{value.std:.2f}"),
            Entry(f"{ours.mean:.2f}", "" if ours.std is None else f"{ours.std:.2f}"),
            Entry(f"{item.difference:+.2f}"),
            Entry(f"{item.tolerance:.2f}"),
            Entry(verdict, mark=mark),
        ],
    )


def gate_tables(found: Sequence[Comparison], gate: Gate) -> list[Table]:
    """A table of comparisons with the baseline for each pair."""
    pairs = dict.fromkeys(item.place.pair for item in found)
    return [
        _gate(pair, [item for item in found if item.place.pair == pair], gate) for pair in pairs
    ]


def _gate(pair: str, found: Sequence[Comparison], gate: Gate) -> Table:
    footnotes = Footnotes()
    return Table(
        pair=pair,
        kind="regression",
        setting=f"{pair} against its baseline",
        caption=(
            f"Top-1 accuracies on {pair} against the baseline, in percent: means over seeds, and "
            f"the one-sided {1 - gate.alpha:.0%} bounds of the difference, paired by seed. The "
            f"margin is {gate.margin:g} points."
        ),
        corner="method",
        columns=[
            *("allocation", "sparsity (%)", "seeds", "baseline", "now"),
            *("difference", "bounds", "verdict"),
        ],
        rows=[_gate_row(item, footnotes) for item in found],
        notes=footnotes.listed(dash=False),
    )


def _gate_row(item: Comparison, footnotes: Footnotes) -> Row:
    moved = item.shift
    bounds = DASH
    if moved is not None and math.isfinite(moved.low):
        low, high = sorted((moved.low, moved.high))
        bounds = f"{low:+.2f} to {high:+.2f}"
    return Row(
        item.place.label,
        [
            Entry(item.place.allocation),
            Entry(_sparsity(item)),
            Entry(str(item.seeds)),
            Entry(_number(item.before)),
            Entry(_number(item.now)),
            Entry(DASH if moved is None else f"{moved.mean:+.2f}"),
            Entry(bounds),
            Entry(item.verdict, mark=footnotes.mark(item.reason) if item.reason else ""),
        ],
    )


def _sparsity(item: Comparison) -> str:
    return "all" if item.place.sparsity is None else percent(item.place.sparsity)


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"


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
    published: Sequence[Reproduction], gated: Sequence[Comparison]
) -> list[tuple[object, ...]]:
    """The rows of `check.csv`, in the order of `CSV_COLUMNS`; gaps are None."""
    return [*map(_published_csv, published), *map(_gate_csv, gated)]


def _published_csv(item: Reproduction) -> tuple[object, ...]:
    value, ours = item.value, item.ours
    found = (ours.label, len(ours.accuracies), ours.mean, ours.std) if ours else (None, 0) * 2
    shifted = (item.difference, -item.tolerance, item.tolerance) if ours else (None,) * 3
    return (
        *("published", value.table, value.pair, None, value.method, found[0], value.sparsity),
        *(found[1], value.value, value.std, *(found[2:] if ours else (None, None)), *shifted),
        *(item.verdict, item.reason),
    )


def _gate_csv(item: Comparison) -> tuple[object, ...]:
    place, moved = item.place, item.shift
    bounds = (moved.mean, moved.low, moved.high) if moved else (None,) * 3
    return (
        *("regression", None, place.pair, place.allocation, None, place.label, place.sparsity),
        *(item.seeds, item.before, None, item.now, None, *bounds, item.verdict, item.reason),
    )


def cases(
    published: Sequence[Reproduction],
    gated: Sequence[Comparison],
    timed: Sequence[Timing],
    gate: Gate,
) -> list[Case]:
    """Every verdict as a test case; only what makes the command exit with 1 is a failure."""
    found = []
    for comparison in gated:
        place, good = comparison.place, comparison.verdict in ("pass", "improved")
        failed: Outcome = "failure" if comparison.verdict in FAILING else "skipped"
        group = f"{place.pair}.{place.allocation}"
        text = f"{comparison.verdict}: {comparison.reason}"
        name = f"{place.label} at {_sparsity(comparison)}"
        found.append(Case("regression", group, name, "passed" if good else failed, text))
    for timing in timed:
        slow: Outcome = "failure" if gate.slowdown and timing.verdict == "slower" else "passed"
        group, text = f"{timing.pair}.{timing.allocation}", f"slower by {timing.factor:.2f}"
        found.append(Case("pruning time", group, timing.label, slow, text))
    for item in published:
        same: Outcome = "passed" if item.verdict == "reproduced" else "skipped"
        group, text = f"{item.value.table}.{item.value.pair}", f"{item.verdict}: {item.reason}"
        name = f"{item.value.method} at {percent(item.value.sparsity)}"
        found.append(Case("published", group, name, same, text))
    return found
