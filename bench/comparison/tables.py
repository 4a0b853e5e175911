"""The comparison's numbers as tables without markup; the report's modules write them down."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.common.statistics.inference import LEVEL
from bench.comparison.paired import AREA, common_sparsities
from bench.comparison.ranks import Ranks
from bench.jobs.metric import ACCURACY, Metric
from bench.report.captions import denominator, rank_sentence, setting, spread, test_images
from bench.report.columns import RESOURCES, metric_of
from bench.report.numerals import DASH, percent
from bench.report.tables.tables import Footnotes, Row, Table, TableCell, metric_table

_SIGNIFICANT = f"differs from 0, p < {LEVEL:g} after Holm's correction over the methods of a column"


def panel_tables(
    cells: pd.DataFrame, means: pd.DataFrame, rows: pd.DataFrame, baseline: str | None, stamp: str
) -> list[Table]:
    """Values, differences to the baseline, and areas with what was spent, for one panel.

    `cells` and `means` are the report's frame and summary, `rows` what `compare_panel` returned.
    `baseline` is the label of the panel's own, if it has one.
    """
    found = [_values(cells, means, stamp)]
    if baseline is not None:
        found.append(_differences(cells, means, rows, baseline, stamp))
    return [*found, _areas(cells, rows, baseline, stamp)]


def _values(cells: pd.DataFrame, means: pd.DataFrame, stamp: str) -> Table:
    """The report's table of the metric, with the same values in bold, under another caption."""
    table = metric_table(cells, means)
    caption = [
        f"{metric_of(cells).heading} of {setting(cells)}:",
        spread(cells),
        rank_sentence([entry.rank for row in table.rows for entry in row.table_cells], cells),
        denominator(cells),
        test_images(cells),
    ]
    return replace(table, kind="compare-accuracy", caption=_text(caption, stamp))


def _differences(
    cells: pd.DataFrame, means: pd.DataFrame, rows: pd.DataFrame, baseline: str, stamp: str
) -> Table:
    known = {(row.label, row.sparsity): row for row in rows.itertuples()}
    metric = metric_of(cells)
    sparsities = sorted(means.sparsity.unique())
    caption = [
        f"Difference to {baseline} in {metric.difference}, {setting(cells)}: "
        "mean over seeds, paired by seed, ± half the width of the two-sided 95 % t interval",
        f"({_seeds(rows)}).",
    ]
    footnotes = Footnotes()
    return Table(
        pair=str(cells.pair.iloc[0]),
        kind="compare-difference",
        setting=setting(cells),
        caption=_text(caption, stamp),
        corner="method",
        columns=[percent(sparsity) for sparsity in sparsities],
        over="sparsity (%)",
        rows=[
            Row(
                label,
                [
                    _difference(known.get((label, sparsity)), metric, footnotes)
                    for sparsity in sparsities
                ],
            )
            for label in _labels(cells)
            if label != baseline
        ],
        notes=footnotes.listed(dash=False),
        abreast=4,
    )


def _areas(cells: pd.DataFrame, rows: pd.DataFrame, baseline: str | None, stamp: str) -> Table:
    known = {row.label: row for row in rows[rows.quantity == AREA].itertuples()}
    good = cells[cells.status == "ok"]
    shown = [
        name
        for name in RESOURCES
        if cells[f"limit_{name}"].max() or (good[f"spent_{name}"] > 0).any()
    ]
    limits = [TableCell(_range(good[f"limit_{name}"])) for name in shown]
    body, footnotes, metric = [], Footnotes(), metric_of(cells)
    for label in _labels(cells):
        row, own = known.get(label), good[good.label == label]
        against = (
            [TableCell("") if label == baseline else _difference(row, metric, footnotes)]
            if baseline
            else []
        )
        spent = [TableCell(_range(own[f"spent_{name}"])) for name in shown]
        body.append(Row(label, [_area(row, metric), *against, *spent]))
    caption = [
        f"Area under the {metric.noun}-sparsity curve of {setting(cells)}, and what was spent.",
        _definition(cells, known=bool(known)),
        "Bold as in the tables by sparsity. Spent: by one cell, from the least to the most.",
    ]
    return Table(
        pair=str(cells.pair.iloc[0]),
        kind="compare-area",
        setting=setting(cells),
        caption=_text(caption, stamp),
        corner="method",
        columns=[
            _area_heading(cells),
            *(["minus\n" + baseline] if baseline else []),
            *(name.replace("_", "\n") for name in shown),
        ],
        lead=[Row("allowed", [*[TableCell("")] * (2 if baseline else 1), *limits])],
        rows=body,
        notes=footnotes.listed(dash=False),
    )


def rank_table(ranks: Ranks, stamp: str, found: Iterable[str], protocol: str = "") -> Table | None:
    """Mean ranks, best first, with what it says in the caption; None where there is no ranking.

    `protocol` is given where there are rankings of several.
    """
    if ranks.ranking is None:
        return None
    where = f" of {protocol}" if protocol else ""
    ordered = sorted(zip(ranks.ranking.ranks, ranks.labels, strict=True))
    return Table(
        pair="all pairs",
        kind="compare-ranks",
        setting=f"{ranks.blocks} blocks{where}",
        caption=_text([f"Mean ranks over {ranks.blocks} blocks{where}; 1 is best.", *found], stamp),
        corner="method",
        columns=["mean rank"],
        rows=[Row(label, [TableCell(f"{value:.2f}")]) for value, label in ordered],
    )


def _labels(cells: pd.DataFrame) -> list[str]:
    return [str(label) for label in cells.label.unique()]


def _text(parts: Iterable[str], stamp: str) -> str:
    return " ".join(part for part in (*parts, stamp) if part)


def _seeds(rows: pd.DataFrame) -> str:
    counts = sorted({int(n) for n in rows.paired.dropna()})
    if counts in ([], [1]):
        return "one seed, so there is no interval and no test"
    ends = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"{ends} pairs"


def _difference(row: Any, metric: Metric, footnotes: Footnotes) -> TableCell:
    """A signed difference with half its interval, and a footnote where it is significant."""
    if row is None or pd.isna(row.difference):
        return TableCell(DASH)
    half = "" if pd.isna(row.high) else metric.written((row.high - row.low) / 2)
    mark = footnotes.mark(_SIGNIFICANT) if row.significant else ""
    return TableCell(signed(row.difference, metric), half, mark)


def _area(row: Any, metric: Metric) -> TableCell:
    if row is None or pd.isna(row.mean):
        return TableCell(DASH)
    spread_ = "" if pd.isna(row.std) else metric.written(row.std)
    return TableCell(metric.written(row.mean), spread_, rank=str(row.standing))


def signed(number: float, metric: Metric = ACCURACY) -> str:
    """The number with + or a true minus sign; what rounds to zero has none."""
    text = metric.written(abs(number))
    if float(text) == 0:
        return text
    return ("+" if number > 0 else "−") + text


def _range(counts: pd.Series) -> str:
    """Such as `0`, or `100–1,000`; a dash if there is no result."""
    known = counts.dropna()
    if known.empty:
        return DASH
    return DASH.join(dict.fromkeys((f"{known.min():,}", f"{known.max():,}")))


def _area_heading(cells: pd.DataFrame) -> str:
    sparsities = common_sparsities(cells)
    if len(sparsities) < 2:
        return "area"
    return f"area over\n{percent(sparsities[0])}–{percent(sparsities[-1])} %"


def _definition(cells: pd.DataFrame, *, known: bool) -> str:
    """How the area is computed here, or why it isn't; `known` where some method has one."""
    sparsities = common_sparsities(cells)
    every = cells.sparsity.nunique()
    if len(sparsities) < 2:
        return "There is no area: it needs two sparsities at which every method has a result."
    if not known:
        return "There is no area: no method has one seed with a result at all common sparsities."
    left_out = every - len(sparsities)
    unit = " (lower is better)" if metric_of(cells).lower else ", in percent"
    aside = f" ({left_out} left out, where a method has no result)" if left_out else ""
    return (
        f"The area is the integral by trapezoids over the {len(sparsities)} common sparsities from "
        f"{percent(sparsities[0])} to {percent(sparsities[-1])} %{aside}, divided by that range: "
        f"the mean {metric_of(cells).noun} over it{unit}; "
        "mean ± sample standard deviation over seeds."
    )
