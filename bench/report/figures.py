"""Accuracy against sparsity and against pruning time, drawn from the summary of the records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report import canvas
from bench.report.axis import sparsity_axis, time_axis
from bench.report.palette import Look, looks
from bench.report.tables import percent

ACCURACY = "Test accuracy (%)"
SPARSITY = "Sparsity (% of prunable weights removed)"
_MOST_TIME_PANELS = 4
_Parts = Sequence[tuple[str, pd.DataFrame]]


def write_figures(
    cells: pd.DataFrame, means: pd.DataFrame, paths: Mapping[str, Path]
) -> list[Path]:
    """Write `PATH-accuracy` and `PATH-time`, each as PDF and PNG, for every pair in `paths`.

    `cells` and `means` are the results of `frame` and `summary`. Returns the files.
    """
    style = looks(zip(means.label, means.method, strict=True))
    files: list[Path] = []
    for pair, path in paths.items():
        part = means[means.pair == pair]
        dense = float(cells[cells.pair == pair].dense_accuracy.mean())
        with canvas.settings():
            for kind, draw in (("accuracy", accuracy_figure), ("time", time_figure)):
                figure = draw(part, dense, style)
                files += canvas.save(figure, path.with_name(f"{path.name}-{kind}"))
    return files


def accuracy_figure(means: pd.DataFrame, dense: float, style: dict[str, Look]) -> Figure:
    """Accuracy against sparsity for one pair: a panel an allocation, a line a method.

    The band runs from the worst to the best seed; a hollow marker has fewer seeds than asked for.
    """
    parts = _allocations(means)
    figure, grid = canvas.panels(1, len(parts), height=2.5)
    for axes, (title, part) in zip(grid[0], parts, strict=True):
        axes.set_title(canvas.literal(title), loc="left")
        for label, line in part.groupby("label", sort=False):
            _curve(axes, line, style[str(label)])
        _dense(axes, dense)
    sparsity_axis(grid[0][0], sorted(means.sparsity.unique()), len(parts))
    for axes in grid[0]:
        axes.set_xlabel(SPARSITY if len(parts) < 3 else SPARSITY.replace("prunable ", "prunable\n"))
    grid[0][0].set_ylabel(ACCURACY)
    _legend(figure, means, style, lines=True)
    _footer(figure, means, dense, "Shaded: worst to best seed.")
    return figure


def time_figure(means: pd.DataFrame, dense: float, style: dict[str, Look]) -> Figure:
    """Accuracy against median pruning time: a row an allocation, a column a sparsity.

    Whiskers run from the worst to the best seed; cells without a measured time aren't drawn.
    """
    timed = means[(means.ok > 0) & (means.prune_seconds_median > 0)]
    parts = _allocations(means)
    chosen = spread_out(sorted(means.sparsity.unique()), _MOST_TIME_PANELS)
    figure, grid = canvas.panels(len(parts), len(chosen), height=1.75)
    for row, (title, part) in zip(grid, parts, strict=True):
        for axes, sparsity in zip(row, chosen, strict=True):
            axes.set_title(canvas.literal(f"{title}, {percent(sparsity)} %"), loc="left")
            here = timed[(timed.sparsity == sparsity) & timed.index.isin(part.index)]
            for point in here.itertuples():
                _point(axes, point, style[str(point.label)])
            _dense(axes, dense)
        row[0].set_ylabel(ACCURACY)
    time_axis(grid[0][0], timed.prune_seconds_median)
    for axes in grid[-1]:
        axes.set_xlabel("Pruning time (s)")
    _legend(figure, means, style, lines=False)
    _footer(figure, means, dense, "Whiskers: worst to best seed.")
    return figure


def spread_out(sparsities: Sequence[float], most: int) -> list[float]:
    """At most so many sparsities, evenly from the upper two thirds: below, methods agree."""
    if len(sparsities) <= most:
        return list(sparsities)
    picks = np.linspace(len(sparsities) // 3, len(sparsities) - 1, most).round().astype(int)
    return [sparsities[index] for index in picks]


def _allocations(means: pd.DataFrame) -> _Parts:
    """The panels of a pair; the protocol is named only where there are several."""
    several = means.protocol.nunique() > 1
    return [
        (f"{allocation}, {protocol}" if several else str(allocation), part)
        for (allocation, protocol), part in means.groupby(["allocation", "protocol"], sort=False)
    ]


def _curve(axes: Axes, line: pd.DataFrame, look: Look) -> None:
    """A gap in the data is a gap in the line."""
    axes.fill_between(
        line.sparsity,
        line.accuracy_min,
        line.accuracy_max,
        color=look.colour,
        alpha=0.18,
        linewidth=0,
    )
    partial = line.status == "partial"
    axes.plot(
        line.sparsity,
        line.accuracy_mean,
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markevery=list(np.flatnonzero(~partial)),
        markeredgecolor="white",
        markeredgewidth=0.3,
        gid=str(line.label.iloc[0]),
    )
    axes.plot(
        line.sparsity[partial],
        line.accuracy_mean[partial],
        color=look.colour,
        linestyle="none",
        marker=look.marker,
        markerfacecolor="none",
        zorder=3,
        gid="partial",
    )


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
        markerfacecolor="white" if point.status == "partial" else look.colour,
    )
    drawn.lines[0].set_gid(str(point.label))


def _dense(axes: Axes, dense: float) -> None:
    if not np.isnan(dense):
        axes.axhline(dense, color="#404040", linewidth=0.7, linestyle=(0, (6, 3)), zorder=1)


def _legend(figure: Figure, means: pd.DataFrame, style: dict[str, Look], *, lines: bool) -> None:
    handles: list[Artist] = []
    labels = [str(label) for label in dict.fromkeys(means.label)]
    for look in (style[label] for label in labels):
        handle = Line2D([], [], color=look.colour, marker=look.marker)
        handle.set_linestyle(look.line if lines else "none")
        handles.append(handle)
    canvas.legend(figure, handles, labels, handle=2.8 if lines else 1.2)


def _footer(figure: Figure, means: pd.DataFrame, dense: float, spread: str) -> None:
    parts = [f"{means.pair.iloc[0]}."]
    if not np.isnan(dense):
        parts.append(f"Dashed line: dense model, {dense:.2f} %.")
    parts.append(spread)
    if (means.status == "partial").any():
        parts.append("Hollow: some seeds have no result.")
    canvas.footer(figure, " ".join(parts))
