"""Accuracy against a cost as points, with the Pareto front."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures import canvas, marks
from bench.report.figures.axis import log_axis, time_axis
from bench.report.figures.kind import Sheet
from bench.report.figures.palette import Look
from bench.report.numerals import percent

_MOST_PANELS = 4


def points_figure(sheet: Sheet) -> Figure:
    """The points of the sheet's kind: a row for each allocation, a column for each sparsity.

    Whiskers run from the worst to the best seed; results that the axis has no place for aren't
    drawn, and a panel without any says so.
    """
    kind = sheet.kind
    points = kind.points(sheet.means)
    known = points[points.x.notna()]
    parts = marks.allocations(points)
    chosen = spread_out(sorted(points.sparsity.unique()), _MOST_PANELS)
    figure, grid = canvas.panels(len(parts), len(chosen), height=1.75)
    for row, (title, part) in zip(grid, parts, strict=True):
        for axes, sparsity in zip(row, chosen, strict=True):
            axes.set_title(canvas.literal(f"{title}, {percent(sparsity)} %"), loc="left")
            here = known[(known.sparsity == sparsity) & known.index.isin(part.index)]
            if kind.front:
                marks.front(axes, here, lower=kind.lower)
            for point in here.itertuples():
                _point(axes, point, sheet.style[str(point.label)])
            if here.empty:
                marks.say(axes, kind.without)
            else:
                marks.dense_line(axes, sheet.dense)
                marks.upright(axes, kind.y)
        row[0].set_ylabel(kind.y.title)
    if kind.x.unit == "s":
        time_axis(grid[0][0], known.x)
    elif kind.x.scale == "log" and not known.empty:
        log_axis(grid[0][0], known.x, len(chosen))
    for axes in grid[-1]:
        axes.set_xlabel(kind.x.name if kind.x.scale == "log" else kind.x.title)
    marks.legend(figure, marks.labels(points), sheet.style, lines=False)
    how = "Whiskers: worst to best seed."
    if kind.front:
        how = f"{how} Dotted steps: Pareto front."
    marks.footer(figure, sheet, how)
    return figure


def spread_out(sparsities: Sequence[float], most: int) -> list[float]:
    """At most so many sparsities, evenly from the upper two thirds: below, methods agree."""
    if len(sparsities) <= most:
        return list(sparsities)
    picks = np.linspace(len(sparsities) // 3, len(sparsities) - 1, most).round().astype(int)
    return [sparsities[index] for index in picks]


def _point(axes: Axes, point: Any, look: Look) -> None:
    # The mean of equal numbers may lie an ulp outside them.
    below = max(0.0, point.y - point.low)
    above = max(0.0, point.high - point.y)
    drawn = axes.errorbar(
        [point.x],
        [point.y],
        yerr=[[below], [above]],
        color=look.colour,
        marker=look.marker,
        markersize=5.5,
        elinewidth=0.8,
        capsize=1.5,
        markerfacecolor="white" if look.hollow or point.status == "partial" else look.colour,
    )
    drawn.lines[0].set_gid(str(point.label))
