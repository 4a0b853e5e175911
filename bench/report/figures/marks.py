"""What the figures share: lines with bands, the dense model, the Pareto front, the legend."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter

from bench.report.figures import canvas
from bench.report.figures.kind import Axis, Sheet
from bench.report.figures.palette import Look

_FAINT, _GREY = "#D2D2D2", "#404040"


def allocations(means: pd.DataFrame) -> Sequence[tuple[str, pd.DataFrame]]:
    """The panels of a pair; protocols share one, since labels name them where there are several."""
    return [(str(name), part) for name, part in means.groupby("allocation", sort=False)]


def curve(axes: Axes, line: pd.DataFrame, look: Look) -> None:
    """Mean and band from the worst to the best seed; a gap in the data is a gap in the line.

    `line` has the columns of `Kind.points`, as all that is drawn here.
    """
    axes.fill_between(
        line.x,
        line.low,
        line.high,
        color=look.colour,
        alpha=0.18,
        linewidth=0,
    )
    partial = line.status == "partial"
    axes.plot(
        line.x,
        line.y,
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markevery=list(np.flatnonzero(~partial)),
        markerfacecolor="white" if look.hollow else look.colour,
        markeredgecolor=look.colour if look.hollow else "white",
        markeredgewidth=0.6 if look.hollow else 0.3,
        gid=str(line.label.iloc[0]),
        label=canvas.literal(str(line.label.iloc[0])),
    )
    axes.plot(
        line.x[partial],
        line.y[partial],
        color=look.colour,
        linestyle="none",
        marker=look.marker,
        markerfacecolor="none",
        zorder=3,
        gid="partial",
    )


def faint(axes: Axes, line: pd.DataFrame) -> None:
    """A line that only shows where the others are."""
    axes.plot(line.x, line.y, color=_FAINT, linewidth=0.7, zorder=1)


def dense_line(axes: Axes, dense: float) -> None:
    """The dense model's metric, if it is known."""
    if not np.isnan(dense):
        axes.axhline(dense, color=_GREY, linewidth=0.7, linestyle=(0, (6, 3)), zorder=1)


def front(axes: Axes, points: pd.DataFrame, *, lower: bool = False) -> None:
    """A step line through the points that nothing with a smaller x reaches in y.

    Low values are the good ones if `lower`.
    """
    points = points[["x", "y"]].dropna().sort_values(["x", "y"], ascending=[True, lower])
    merit = -points.y if lower else points.y
    best = points[merit > merit.cummax().shift(fill_value=-np.inf)]
    axes.plot(
        best.x,
        best.y,
        color="#606060",
        linewidth=0.8,
        linestyle=(0, (1, 1)),
        drawstyle="steps-post",
        zorder=1.1,
        gid="front",
    )


def upright(axes: Axes, axis: Axis) -> None:
    """The scale of the vertical axis, with plain numbers if it is logarithmic."""
    if axis.scale == "log":
        axes.set_yscale("log")
        for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))


def say(axes: Axes, text: str) -> None:
    """A few words in a panel that has nothing else to show."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color="#606060")


def labels(means: pd.DataFrame) -> list[str]:
    """The labels in the order of the study."""
    return [str(label) for label in dict.fromkeys(means.label)]


def legend(figure: Figure, labels: Sequence[str], style: dict[str, Look], *, lines: bool) -> None:
    """The labels above the panels, with their lines or with their markers alone."""
    handles: list[Artist] = []
    for look in (style[label] for label in labels):
        handle = Line2D([], [], color=look.colour, marker=look.marker)
        handle.set_linestyle(look.line if lines else "none")
        if look.hollow:
            handle.set_markerfacecolor("white")
        handles.append(handle)
    canvas.legend(figure, handles, labels, handle=2.8 if lines else 1.2)


def footer(figure: Figure, sheet: Sheet, how: str) -> None:
    """The pair, and how to read what stands above."""
    parts = [f"{sheet.means.pair.iloc[0]}."]
    if not np.isnan(sheet.dense):
        parts.append(f"Dashed line: dense model, {sheet.metric.with_unit(sheet.dense)}.")
    parts.append(how)
    if (sheet.means.status == "partial").any():
        parts.append("Hollow: some seeds have no result.")
    canvas.footer(figure, " ".join(parts))
