"""Verdicts as tables: those on published values, and those on the baseline."""

import math
from collections import Counter
from collections.abc import Sequence

from bench.check.conclusions import conclusions
from bench.check.regression import Change
from bench.check.reproduction import CONFIDENCE, Reproduction
from bench.common.statistics.gate import Gate
from bench.report.numerals import DASH, percent
from bench.report.tables.tables import Entry, Footnotes, Row, Table


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
        abreast=6,
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


def gate_tables(found: Sequence[Change], gate: Gate) -> list[Table]:
    """A table of comparisons with the baseline for each pair."""
    pairs = dict.fromkeys(item.group.pair for item in found)
    return [
        _gate(pair, [item for item in found if item.group.pair == pair], gate) for pair in pairs
    ]


def _gate(pair: str, found: Sequence[Change], gate: Gate) -> Table:
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


def _gate_row(item: Change, footnotes: Footnotes) -> Row:
    moved = item.shift
    bounds = DASH
    if moved is not None and math.isfinite(moved.low):
        low, high = sorted((moved.low, moved.high))
        bounds = f"{low:+.2f} to {high:+.2f}"
    return Row(
        item.group.label,
        [
            Entry(item.group.allocation),
            Entry(sparsity_of(item)),
            Entry(str(item.seeds)),
            Entry(_number(item.before)),
            Entry(_number(item.now)),
            Entry(DASH if moved is None else f"{moved.mean:+.2f}"),
            Entry(bounds),
            Entry(item.verdict, mark=footnotes.mark(item.reason) if item.reason else ""),
        ],
    )


def sparsity_of(item: Change) -> str:
    """The sparsity in percent, or `all` where the verdict is on the mean over them."""
    return "all" if item.group.sparsity is None else percent(item.group.sparsity)


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"
