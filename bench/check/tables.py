"""Verdicts as tables: those on published values, and those on the baseline."""

import math
from collections import Counter
from collections.abc import Sequence

from bench.check.conclusions import conclusions
from bench.check.regression import Change
from bench.check.reproduction import CONFIDENCE, Reproduction
from bench.common.statistics.gate import Gate
from bench.jobs.metric import ACCURACY, Metric
from bench.report.numerals import DASH, percent
from bench.report.tables.tables import Footnotes, Row, Table, TableCell


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
            f"Published {_published_metrics(found)} of {table} beside ours on {pair}"
            f"{_units(found)} (source: {'; '.join(sources)}). Theirs with the standard error where "
            "it is given, ours as mean ± sample standard deviation over seeds. The tolerance takes "
            "both spreads "
            f"and the {_test_error(found)} into account, at {CONFIDENCE:.0%}."
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


def _metrics(found: Sequence[Reproduction]) -> list[Metric]:
    """The metrics of the values, top-5 among the accuracies, in order."""
    return list({item.value.judged_by.name: item.value.judged_by for item in found}.values())


def _published_metrics(found: Sequence[Reproduction]) -> str:
    """Such as `top-1 accuracies`, with the unit or the direction behind the pair."""
    return " and ".join(
        "top-1 accuracies" if metric is ACCURACY else f"{metric.noun} (lower is better)"
        for metric in _metrics(found)
    )


def _units(found: Sequence[Reproduction]) -> str:
    return ", in percent" if _metrics(found) == [ACCURACY] else ""


def _test_error(found: Sequence[Reproduction]) -> str:
    """What the test split adds to the tolerance."""
    exact = all(metric is ACCURACY for metric in _metrics(found))
    return "binomial error of the test images" if exact else "standard error over the test examples"


def _published_row(item: Reproduction, footnotes: Footnotes) -> Row:
    assert item.ours is not None
    value, ours = item.value, item.ours
    same = ours.label == value.method
    written = value.judged_by.written
    mark = footnotes.mark(item.reason) if item.reason else ""
    verdict: str = item.verdict
    if verdict == "not comparable":
        verdict += ", within" if item.agrees else ", beyond"
    return Row(
        value.method if same else f"{value.method} (here {ours.label})",
        [
            TableCell(percent(value.sparsity)),
            TableCell(written(value.value), "" if value.std is None else written(value.std)),
            TableCell(written(ours.mean), "" if ours.std is None else written(ours.std)),
            TableCell(f"{item.difference:+{value.judged_by.format}}"),
            TableCell(written(item.tolerance)),
            TableCell(verdict, mark=mark),
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
    metric = next((item.metric for item in found if item.shift is not None), ACCURACY)
    return Table(
        pair=pair,
        kind="regression",
        setting=f"{pair} against its baseline",
        caption=(
            f"{_of_metric(metric, 'on ' + pair)} against the baseline{_percent(metric)}: means "
            f"over seeds, and the one-sided {1 - gate.alpha:.0%} bounds of the difference, paired "
            f"by seed{_relative(metric)}. The margin is {gate.margin:g} {metric.step}."
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
            TableCell(item.group.allocation),
            TableCell(sparsity_of(item)),
            TableCell(str(item.seeds)),
            TableCell(_number(item.before, item.metric)),
            TableCell(_number(item.now, item.metric)),
            TableCell(DASH if moved is None else f"{moved.mean:+.2f}"),
            TableCell(bounds),
            TableCell(item.verdict, mark=footnotes.mark(item.reason) if item.reason else ""),
        ],
    )


def sparsity_of(item: Change) -> str:
    """The sparsity in percent, or `all` where the verdict is on the mean over them."""
    return "all" if item.group.sparsity is None else percent(item.group.sparsity)


def _number(value: float | None, metric: Metric) -> str:
    return DASH if value is None else metric.written(value)


def _of_metric(metric: Metric, where: str) -> str:
    """Such as `Top-1 accuracies on PAIR`, as a caption begins."""
    if metric is ACCURACY:
        return f"Top-1 accuracies {where}"
    return f"{metric.noun.capitalize()} (lower is better) {where}"


def _percent(metric: Metric) -> str:
    return "" if metric.lower else ", in percent"


def _relative(metric: Metric) -> str:
    """How differences are counted where they aren't in points."""
    return ", as 100 ln (before / now), about percent; above zero is better" if metric.lower else ""
