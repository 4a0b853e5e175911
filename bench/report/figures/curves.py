"""Accuracy against sparsity, compression and FLOPs: all methods in a panel, or a panel each."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures import canvas, marks
from bench.report.figures.axis import compression_axis, linear_axis, log_axis, sparsity_axis
from bench.report.figures.palette import Look
from bench.report.gaps import counted as counted_rows

SPARSITY = "Sparsity (% of prunable weights removed)"
MOST_TOGETHER = 6
_COLUMNS = 4
_Group = tuple[str, Sequence[str]]
_Place = tuple[pd.DataFrame, _Group, str]


def accuracy_figure(
    means: pd.DataFrame, dense: float, style: dict[str, Look], *, linear: bool = False
) -> Figure:
    """Accuracy against sparsity for one pair, a panel an allocation.

    Equal steps are equal factors of what is left, with compression ratios above, or with `linear`
    equal differences of sparsity. More than six labels are drawn in small panels, one a method,
    with the other lines faint behind. The band runs from the worst to the best seed; a hollow
    marker has fewer seeds than asked for.
    """
    figure, blocks = _drawn(means, dense, style, "sparsity")
    sparsities = sorted(means.sparsity.unique())
    first, columns = blocks[0][0], len(blocks[0])
    if linear:
        linear_axis(first, sparsities, columns)
    else:
        sparsity_axis(first, sparsities, columns)
        for axes in blocks[0]:
            compression_axis(axes, means, columns)
    _name_axes(blocks, SPARSITY if columns < 3 else "Sparsity (%)")
    _finish(figure, means, dense, style, "Shaded: worst to best seed.")
    return figure


def flops_figure(means: pd.DataFrame, dense: float, style: dict[str, Look]) -> Figure | None:
    """Accuracy against FLOPs of one example, with the Pareto front; None if none are above zero."""
    counted = counted_rows(means)
    if counted.empty:
        return None
    means = means.assign(flops_mean=counted.flops_mean)
    figure, blocks = _drawn(means, dense, style, "flops_mean", front=True)
    log_axis(blocks[0][0], counted.flops_mean, len(blocks[0]))
    _name_axes(blocks, "FLOPs of one example")
    how = "Shaded: worst to best seed. Dotted steps: Pareto front."
    _finish(figure, means, dense, style, how)
    return figure


def groups(means: pd.DataFrame) -> list[_Group]:
    """The labels that share a panel, under its title: all, or those of one method if many."""
    labels = dict(zip(means.label, means.method, strict=True))
    if len(labels) <= MOST_TOGETHER:
        return [("", list(labels))]
    found: dict[str, list[str]] = {}
    for label, method in labels.items():
        found.setdefault(str(method), []).append(str(label))
    return [(own[0] if len(own) == 1 else method, own) for method, own in found.items()]


def _drawn(
    means: pd.DataFrame, dense: float, style: dict[str, Look], x: str, *, front: bool = False
) -> tuple[Figure, list[list[Axes]]]:
    """The figure, and its axes row by row."""
    parts, panels = marks.allocations(means), groups(means)
    if len(panels) == 1:
        figure, grid = canvas.panels(1, len(parts), height=2.5)
        places: list[_Place | None] = [(part, panels[0], title) for title, part in parts]
    else:
        rows = math.ceil(len(panels) / _COLUMNS)
        columns = min(_COLUMNS, len(panels))
        # What stands above and below all panels takes as much room over one row as over ten.
        height = 1.35 + 0.7 / (rows * len(parts))
        figure, grid = canvas.panels(rows * len(parts), columns, height)
        places = _placed(parts, panels, rows * columns)
    for axes, place in zip([axes for row in grid for axes in row], places, strict=True):
        if place is None:
            axes.set_axis_off()
            continue
        part, (_, labels), title = place
        axes.set_title(canvas.literal(title), loc="left")
        if front:
            marks.front(axes, part[x], part.accuracy_mean)
        _panel(axes, part, labels, style, x)
        marks.dense_line(axes, dense)
    return figure, grid


def _placed(
    parts: Sequence[tuple[str, pd.DataFrame]], panels: Sequence[_Group], size: int
) -> list[_Place | None]:
    """The panels of each allocation in rows of their own; None is a place left empty."""
    places: list[_Place | None] = []
    for title, part in parts:
        names = [f"{group[0]}, {title}" for group in panels]
        places += [(part, group, name) for group, name in zip(panels, names, strict=True)]
        places += [None] * (size - len(panels))
    return places


def _panel(
    axes: Axes, part: pd.DataFrame, labels: Sequence[str], style: dict[str, Look], x: str
) -> None:
    lines = {str(label): line for label, line in part.groupby("label", sort=False)}
    for label, line in lines.items():
        if label not in labels:
            marks.faint(axes, line, x)
    for label in labels:
        if label in lines:
            marks.curve(axes, lines[label], style[label], x)
    if all(lines[label].ok.sum() == 0 for label in labels if label in lines):
        marks.say(axes, "no result")


def _name_axes(blocks: Sequence[Sequence[Axes]], name: str) -> None:
    for column in zip(*blocks, strict=True):
        lowest = [axes for axes in column if axes.axison][-1]
        lowest.set_xlabel(name)
        lowest.tick_params(axis="x", labelbottom=True)
    for row in blocks:
        row[0].set_ylabel(marks.ACCURACY if len(blocks) == 1 else "Accuracy (%)")


def _finish(
    figure: Figure, means: pd.DataFrame, dense: float, style: dict[str, Look], how: str
) -> None:
    panels = groups(means)
    together = [label for _, labels in panels if len(labels) > 1 for label in labels]
    named = together if len(panels) > 1 else marks.labels(means)
    if named:
        marks.legend(figure, named, style, lines=True)
    if len(panels) > 1:
        how = f"{how} Faint: the other methods."
    marks.footer(figure, means, dense, how)
