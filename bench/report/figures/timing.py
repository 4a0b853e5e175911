"""Accuracy against pruning time, with the Pareto front."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures import canvas, marks
from bench.report.figures.axis import time_axis
from bench.report.figures.palette import Look
from bench.report.gaps import timed as timed_rows
from bench.report.numerals import percent

_MOST_PANELS = 4


def time_figure(means: pd.DataFrame, dense: float, style: dict[str, Look]) -> Figure:
    """Accuracy against median pruning time: a row an allocation, a column a sparsity.

    Whiskers run from the worst to the best seed; cells without a measured time aren't drawn, and a
    panel without any says so.
    """
    timed = timed_rows(means)
    parts = marks.allocations(means)
    chosen = spread_out(sorted(means.sparsity.unique()), _MOST_PANELS)
    figure, grid = canvas.panels(len(parts), len(chosen), height=1.75)
    for row, (title, part) in zip(grid, parts, strict=True):
        for axes, sparsity in zip(row, chosen, strict=True):
            axes.set_title(canvas.literal(f"{title}, {percent(sparsity)} %"), loc="left")
            here = timed[(timed.sparsity == sparsity) & timed.index.isin(part.index)]
            marks.front(axes, here.prune_seconds_median, here.accuracy_mean)
            for point in here.itertuples():
                _point(axes, point, style[str(point.label)])
            if here.empty:
                marks.say(axes, "no time of pruning")
            else:
                marks.dense_line(axes, dense)
        row[0].set_ylabel(marks.ACCURACY)
    time_axis(grid[0][0], timed.prune_seconds_median)
    for axes in grid[-1]:
        axes.set_xlabel("Pruning time")
    marks.legend(figure, marks.labels(means), style, lines=False)
    how = "Whiskers: worst to best seed. Dotted steps: Pareto front."
    marks.footer(figure, means, dense, how)
    return figure


def spread_out(sparsities: Sequence[float], most: int) -> list[float]:
    """At most so many sparsities, evenly from the upper two thirds: below, methods agree."""
    if len(sparsities) <= most:
        return list(sparsities)
    picks = np.linspace(len(sparsities) // 3, len(sparsities) - 1, most).round().astype(int)
    return [sparsities[index] for index in picks]


def _point(axes: Axes, point: Any, look: Look) -> None:
    # The mean of equal numbers may lie an ulp outside them.
    below = max(0.0, point.accuracy_mean - point.accuracy_min)
    above = max(0.0, point.accuracy_max - point.accuracy_mean)
    drawn = axes.errorbar(
        [point.prune_seconds_median],
        [point.accuracy_mean],
        yerr=[[below], [above]],
        color=look.colour,
        marker=look.marker,
        markersize=5.5,
        elinewidth=0.8,
        capsize=1.5,
        markerfacecolor="white" if look.hollow or point.status == "partial" else look.colour,
    )
    drawn.lines[0].set_gid(str(point.label))
