"""Draws the quadratic models' predictions: over the actual change, and along a step."""

import itertools

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.measurements.forms import APPROXIMATIONS
from bench.report.figures import canvas
from bench.report.figures.axis import sparsity_axis
from bench.report.figures.palette import looks

PANELS = (
    ("magnitude", False, "magnitude's mask"),
    ("woodfisher", False, "WoodFisher's mask"),
    ("woodfisher", True, "WoodFisher's mask and move"),
    ("kfac", True, "K-FAC's mask and move"),
)
"""The panels: the criterion that chooses the mask, whether survivors move, and the title."""
SPARSITY = 0.9
"""The sparsity of the steps along which the loss is drawn."""
_LEVEL, _ACTUAL = "#404040", "#000000"
# L-OBS measures squared errors of layer outputs, hundreds of times the loss; only the tables show
# it.
_SHOWN = {name: method for name, method in APPROXIMATIONS.items() if name != "l-obs"}
_BANDS = ("hessian", "obd", "kfac", "woodfisher")
"""The approximations whose range over seeds is drawn."""


def ratio_figure(ratios: pd.DataFrame) -> Figure:
    """Return the figure of predicted over actual change of the loss against sparsity.

    It has one panel per kind of step.
    """
    figure, grid = canvas.panels(2, 2, 2.3)
    style = looks(_SHOWN.items())
    for axes, (criterion, compensated, title) in zip(itertools.chain(*grid), PANELS, strict=True):
        axes.set_title(title, loc="left")
        axes.axhline(1, color=_LEVEL, linewidth=0.9, linestyle=(0, (6, 3)))
        part = ratios[(ratios.criterion == criterion) & (ratios.compensated == compensated)]
        for name, line in part.groupby("approximation", sort=False):
            if name not in style:
                continue
            look = style[str(name)]
            axes.plot(line.sparsity, line.ratio, look.marker, color=look.colour, ls=look.line)
            if name not in _BANDS:
                continue
            axes.fill_between(
                line.sparsity, line.ratio_min, line.ratio_max, color=look.colour, alpha=0.12, lw=0
            )
    first = grid[0][0]
    first.set_yscale("log")
    sparsity_axis(first, sorted(ratios.sparsity.unique()), 2)
    _finish(figure, grid, "Predicted / actual", "Sparsity (% removed)")
    canvas.footer(
        figure,
        "Rise of the loss on the calibration examples: above the dashed line it is over-estimated, "
        f"below under-estimated. Median over seeds, with the range for {', '.join(_BANDS)}. "
        "Gaps: the loss did not rise.",
    )
    return figure


def path_figure(table: pd.DataFrame) -> Figure:
    """Return the figure of actual and predicted change of the loss along steps of one sparsity."""
    figure, grid = canvas.panels(2, 2, 2.3)
    style = looks(_SHOWN.items())
    at = table[table.sparsity == SPARSITY]
    for axes, (criterion, compensated, title) in zip(itertools.chain(*grid), PANELS, strict=True):
        axes.set_title(title, loc="left")
        part = at[(at.criterion == criterion) & (at.compensated == compensated)]
        means = part.groupby("fraction").mean(numeric_only=True)
        for name, look in style.items():
            axes.plot(means.index, means[name], look.marker, color=look.colour, ls=look.line)
        risen = means.actual.where(means.actual > 0)
        axes.plot(means.index, risen, color=_ACTUAL, linewidth=2.6, gid="actual", zorder=3)
    first = grid[0][0]
    first.set_xscale("log", base=2)
    first.set_yscale("log")
    _finish(figure, grid, "Rise of the loss", "Fraction of the step", actual=True)
    canvas.footer(
        figure,
        f"Steps to {100 * SPARSITY:g} % sparsity. Thick: the loss on the calibration examples; "
        "thin: predicted. Mean over seeds. Gaps: the loss did not rise.",
    )
    return figure


def _finish(
    figure: Figure, grid: list[list[Axes]], y: str, x: str, *, actual: bool = False
) -> None:
    for row in grid:
        row[0].set_ylabel(y)
    for axes in grid[-1]:
        axes.set_xlabel(x)
    style = looks(_SHOWN.items())
    names = [*style]
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.line)
        for look in style.values()
    ]
    if actual:
        names.append("actual")
        handles.append(Line2D([], [], color=_ACTUAL, linewidth=2.6))
    canvas.legend(figure, handles, names, handle=2.8)
