"""What share of its time each method spends in each phase, as stacked bars."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.jobs.findings import PARTS
from bench.report.figures import canvas, marks
from bench.report.figures.kind import Sheet
from bench.report.figures.palette import PART_COLOURS
from bench.report.numerals import seconds
from bench.report.tables.phases import TOTAL, phase_medians

_EDGE = "#202020"
_LETTERS = 24


def phases_figure(sheet: Sheet) -> Figure | None:
    """Shares of the median times: a bar for each label, a panel for each allocation.

    None where no record divides its time.

    Times of methods lie decades apart, and stacked bars can't be read on a logarithmic axis: so
    bars are shares, and the whole stands beside each in seconds.
    """
    cells = sheet.cells
    parts = [(name, phase_medians(part)) for name, part in marks.allocations(cells)]
    parts = [(name, medians) for name, medians in parts if medians[TOTAL].notna().any()]
    if not parts:
        return None
    longest = max(len(str(label)) for label in cells.label)
    abreast = len(parts) if longest <= _LETTERS else 1
    rows = max(len(medians) for _, medians in parts)
    below, height = len(parts) // abreast, 0.62 + 0.18 * rows
    figure, grid = canvas.panels(below, abreast, height, wide=longest > _LETTERS)
    for index, (axes, (name, medians)) in enumerate(
        zip([axes for row in grid for axes in row], parts, strict=True)
    ):
        axes.set_title(canvas.literal(name), loc="left")
        _bars(axes, medians, named=index % abreast == 0)
    for axes in grid[-1]:
        axes.set_xlabel(sheet.kind.x.title)
    names = list(sheet.kind.parts)
    canvas.legend(figure, [_patch(part) for part in names], names, handle=1.4)
    canvas.footer(
        figure,
        f"{cells.pair.iloc[0]}. Medians over all sparsities and seeds; beside the bars the whole.",
    )
    return figure


def _bars(axes: Axes, medians: pd.DataFrame, *, named: bool) -> None:
    """Bars from the top down in the order of the rows."""
    positions = list(range(len(medians)))
    shares = medians[[*PARTS]].div(medians[[*PARTS]].sum(axis=1, min_count=1), axis=0) * 100
    left = pd.Series(0.0, index=medians.index)
    for part in PARTS:
        width = shares[part].fillna(0.0)
        colour, hatch = PART_COLOURS[part]
        axes.barh(
            positions, width, left=left, height=0.66, color=colour, hatch=hatch, label=part,
            edgecolor=_EDGE, linewidth=0.4,
        )  # fmt: skip
        left += width
    for position, total in zip(positions, medians[TOTAL], strict=True):
        text = "not divided" if pd.isna(total) else f"{seconds(total)} s"
        axes.text(102 if left.iloc[position] else 2, position, text, va="center", fontsize=7)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(positions) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    if named:
        axes.set_yticks(positions, [canvas.literal(str(label)) for label in medians.index])
        axes.tick_params(axis="y", length=0)


def _patch(part: str) -> Patch:
    colour, hatch = PART_COLOURS[part]
    return Patch(facecolor=colour, hatch=hatch, edgecolor=_EDGE, linewidth=0.4)
