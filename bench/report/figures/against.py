"""Accuracy against one hyper-parameter of a method: one line per sparsity, magnitude as a level."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.jobs.job import canonical_json
from bench.report.figures import canvas, marks
from bench.report.figures.axis import Positions, positions
from bench.report.figures.kind import Sheet
from bench.report.figures.palette import Look, ramp
from bench.report.numerals import percent
from bench.study.figure import Against

LEVEL = "magnitude"
"""The method that every other should beat, and that a large damping turns into."""

_COLUMNS = 3
_DOTTED = (0, (1, 1.2))


class _Panel(NamedTuple):
    """One panel: its title, the points of its lines, and all points of its setting."""

    title: str
    lines: pd.DataFrame
    setting: pd.DataFrame


def against_figure(sheet: Sheet, against: Against) -> Figure | None:
    """Accuracy against the hyper-parameter for one pair: a line for each sparsity.

    A panel for each of the study's groups of labels, each allocation and each protocol. The band
    runs from the worst to the best seed; dotted levels are magnitude pruning at the same sparsity,
    by its first label. None where no label has the field.
    """
    values = _values(sheet.cells, against.x)
    scale = positions(values.values())
    panels = list(_panels(sheet, values, scale, against))
    if not panels:
        return None
    style = ramp([percent(sparsity) for sparsity in sorted(sheet.means.sparsity.unique())])
    rows = -(-len(panels) // _COLUMNS)
    figure, grid = canvas.panels(rows, -(-len(panels) // rows), 2.3, wide=True)
    for axes, panel in itertools.zip_longest(itertools.chain(*grid), panels):
        if panel is None:
            axes.set_axis_off()
            continue
        _draw(axes, panel, style)
        marks.dense_line(axes, sheet.dense)
        marks.upright(axes, sheet.kind.y)
    scale.label(grid, sheet.kind.x.title)
    _finish(figure, grid, sheet, style)
    return figure


def _values(cells: pd.DataFrame, field: str) -> dict[str, Any]:
    """The hyper-parameter of each label that has it; a list is text, and controls are left out."""
    first = cells[cells.control == ""].drop_duplicates("label")
    known = {str(row.label): json.loads(str(row.hyperparameters)) for row in first.itertuples()}
    values = {label: fields[field] for label, fields in known.items() if field in fields}
    return {
        label: canonical_json(value) if isinstance(value, list | dict) else value
        for label, value in values.items()
    }


def _panels(
    sheet: Sheet, values: dict[str, Any], scale: Positions, against: Against
) -> Iterator[_Panel]:
    means = sheet.kind.points(sheet.means.assign(position=np.nan))
    groups = against.panels or _by_method(means, values)
    settings = list(means.groupby(["allocation", "protocol"], sort=False))
    differing = [name for name in ("allocation", "protocol") if means[name].nunique() > 1]
    for (title, labels), (_, part) in itertools.product(groups.items(), settings):
        lines = part[part.label.isin(labels)]
        if lines.empty:
            continue
        position = [scale.of[values[label]] for label in lines.label]
        names = [title, *(str(part[name].iloc[0]) for name in differing)]
        yield _Panel(", ".join(names), lines.assign(x=position), part)


def _by_method(means: pd.DataFrame, values: dict[str, Any]) -> dict[str, list[str]]:
    """The labels of each method in which the field takes two values or more; else of all."""
    methods: dict[str, list[str]] = {}
    for label, method in dict(zip(means.label, means.method, strict=True)).items():
        if label in values:
            methods.setdefault(str(method), []).append(str(label))
    several = {
        method: labels
        for method, labels in methods.items()
        if len({values[label] for label in labels}) > 1
    }
    return several or methods


def _draw(axes: Axes, panel: _Panel, style: dict[str, Look]) -> None:
    axes.set_title(canvas.literal(panel.title), loc="left")
    levels = panel.setting[panel.setting.method == LEVEL].drop_duplicates("sparsity")
    level = levels.set_index("sparsity").y
    for sparsity, line in panel.lines.groupby("sparsity"):
        name = percent(float(str(sparsity)))
        marks.curve(axes, line.sort_values("x").assign(label=name), style[name])
        if sparsity in level.index:
            axes.axhline(
                level[sparsity], color=style[name].colour, linewidth=0.9, linestyle=_DOTTED
            )


def _finish(
    figure: Figure,
    grid: Sequence[Sequence[Axes]],
    sheet: Sheet,
    style: dict[str, Look],
) -> None:
    y = sheet.kind.y
    for row in grid:
        row[0].set_ylabel(y.title if len(grid) == 1 else y.narrow)
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.line)
        for look in style.values()
    ]
    canvas.legend(figure, handles, [f"{name} % sparsity" for name in style], handle=2.8)
    levels = " Dotted: magnitude pruning." if (sheet.means.method == LEVEL).any() else ""
    marks.footer(figure, sheet, f"Shaded: worst to best seed.{levels}")
