"""Accuracy against sparsity or cost as lines: all methods in a panel, or a panel for each."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures import canvas, marks
from bench.report.figures.axis import compression_axis, linear_axis, log_axis, sparsity_axis
from bench.report.figures.kind import Axis, Sheet
from bench.report.figures.palette import Look

MOST_TOGETHER = 6
_COLUMNS = 4
_Group = tuple[str, Sequence[str]]
_Panel = tuple[pd.DataFrame, _Group, str]


def curves_figure(sheet: Sheet) -> Figure | None:
    """The points of the sheet's kind joined to lines, a panel for each allocation.

    More than six labels are drawn in small panels, one for each method, with the other lines faint
    behind. The band runs from the worst to the best seed; a hollow marker has fewer seeds than
    asked for. None where the axis has no place for any result.
    """
    kind = sheet.kind
    points = kind.points(sheet.means)
    if points.x.isna().all():
        return None
    figure, blocks = _drawn(sheet, points)
    first, columns = blocks[0][0], len(blocks[0])
    sparsities = sorted(sheet.means.sparsity.unique())
    if kind.x.scale == "log":
        log_axis(first, points.x.dropna(), columns)
    elif kind.x.scale == "kept":
        sparsity_axis(first, sparsities, columns)
    else:
        linear_axis(first, sparsities, columns)
    if kind.above is not None:
        for axes in blocks[0]:
            compression_axis(axes, sheet.means, kind.above, columns)
    _name_axes(blocks, _x_title(kind.x, columns), kind.y)
    _finish(figure, sheet)
    return figure


def _x_title(axis: Axis, columns: int) -> str:
    """The ticks of a logarithmic axis have their unit, so that the title needs none."""
    if axis.scale == "log":
        return axis.name
    return axis.title if columns < 3 else axis.narrow


def groups(means: pd.DataFrame) -> list[_Group]:
    """The labels that share a panel, under its title: all, or those of one method if many."""
    labels = dict(zip(means.label, means.method, strict=True))
    if len(labels) <= MOST_TOGETHER:
        return [("", list(labels))]
    found: dict[str, list[str]] = {}
    for label, method in labels.items():
        found.setdefault(str(method), []).append(str(label))
    return [(own[0] if len(own) == 1 else method, own) for method, own in found.items()]


def _drawn(sheet: Sheet, points: pd.DataFrame) -> tuple[Figure, list[list[Axes]]]:
    """The figure, and its axes row by row."""
    parts, of_methods = marks.allocations(points), groups(points)
    if len(of_methods) == 1:
        figure, grid = canvas.panels(1, len(parts), height=2.5)
        panels: list[_Panel | None] = [(part, of_methods[0], title) for title, part in parts]
    else:
        rows = math.ceil(len(of_methods) / _COLUMNS)
        columns = min(_COLUMNS, len(of_methods))
        # What stands above and below all panels takes as much room over one row as over ten.
        height = 1.35 + 0.7 / (rows * len(parts))
        figure, grid = canvas.panels(rows * len(parts), columns, height)
        panels = _laid_out(parts, of_methods, rows * columns)
    for axes, panel in zip([axes for row in grid for axes in row], panels, strict=True):
        if panel is None:
            axes.set_axis_off()
            continue
        part, (_, labels), title = panel
        axes.set_title(canvas.literal(title), loc="left")
        if sheet.kind.front:
            marks.front(axes, part, lower=sheet.kind.lower)
        _panel(axes, part, labels, sheet.style)
        marks.dense_line(axes, sheet.dense)
        marks.upright(axes, sheet.kind.y)
    return figure, grid


def _laid_out(
    parts: Sequence[tuple[str, pd.DataFrame]], of_methods: Sequence[_Group], size: int
) -> list[_Panel | None]:
    """The panels of each allocation in rows of their own; None is left empty."""
    panels: list[_Panel | None] = []
    for title, part in parts:
        panels += [(part, group, f"{group[0]}, {title}") for group in of_methods]
        panels += [None] * (size - len(of_methods))
    return panels


def _panel(axes: Axes, part: pd.DataFrame, labels: Sequence[str], style: dict[str, Look]) -> None:
    lines = {str(label): line for label, line in part.groupby("label", sort=False)}
    for label, line in lines.items():
        if label not in labels:
            marks.faint(axes, line)
    for label in labels:
        if label in lines:
            marks.curve(axes, lines[label], style[label])
    if all(lines[label].ok.sum() == 0 for label in labels if label in lines):
        marks.say(axes, "no result")


def _name_axes(blocks: Sequence[Sequence[Axes]], name: str, y: Axis) -> None:
    for column in zip(*blocks, strict=True):
        lowest = [axes for axes in column if axes.axison][-1]
        lowest.set_xlabel(name)
        lowest.tick_params(axis="x", labelbottom=True)
    for row in blocks:
        row[0].set_ylabel(y.title if len(blocks) == 1 else y.narrow)


def _finish(figure: Figure, sheet: Sheet) -> None:
    of_methods = groups(sheet.means)
    together = [label for _, labels in of_methods if len(labels) > 1 for label in labels]
    named = together if len(of_methods) > 1 else marks.labels(sheet.means)
    if named:
        marks.legend(figure, named, sheet.style, lines=True)
    how = "Shaded: worst to best seed."
    if sheet.kind.front:
        how = f"{how} Dotted steps: Pareto front."
    if len(of_methods) > 1:
        how = f"{how} Faint: the other methods."
    marks.footer(figure, sheet, how)
