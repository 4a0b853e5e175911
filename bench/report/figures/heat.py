"""Heat maps: numbers in a grid of named rows and columns, such as the sparsity of each layer."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.report.figures import canvas, marks
from bench.report.figures.kind import Sheet
from bench.report.figures.points import spread_out
from bench.report.numerals import percent

_MOST_NUMBERS = 12
_MOST_FLAT = 8
_WHITE_FROM = 0.55
_LETTERS = 24


def layers_figure(sheet: Sheet) -> Figure | None:
    """The sparsity of each layer (%): a row for each label, a panel for each allocation.

    It is drawn at a high sparsity of the study, where methods differ: the second from the top of
    those that `spread_out` picks. None where no record has layers.
    """
    means, layers, names = sheet.means, sheet.layers, sheet.names
    known = means[layers.notna()]
    if known.empty or not names:
        return None
    picks = spread_out(sorted(known.sparsity.unique()), 4)
    sparsity = picks[max(0, len(picks) - 2)]
    chosen = known[known.sparsity == sparsity]
    parts = marks.allocations(chosen)
    labels = marks.labels(chosen)
    short = [name.removesuffix(".weight") for name in names]
    upright = len(short) > _MOST_FLAT
    # A letter at 8 points is about 0.062 inches wide.
    below = 0.062 * max(map(len, short)) / len(parts) if upright else 0.0
    height = 0.45 + 0.165 * len(labels) + below
    long = max(map(len, labels)) > _LETTERS
    figure, grid = canvas.panels(len(parts), 1, height, wide=len(names) > 4 or long)
    for (axes,), (title, part) in zip(grid, parts, strict=True):
        axes.set_title(canvas.literal(title), loc="left")
        # The panels share their axes, so that each has all rows.
        values = np.full((len(labels), len(names)), np.nan)
        for index, label in zip(part.index, part.label, strict=True):
            values[labels.index(str(label))] = np.array(layers[index], dtype=np.float64) * 100
        heat_map(axes, values, labels, short)
    last = grid[-1][0]
    last.tick_params(axis="x", labelrotation=90 if upright else 0)
    canvas.footer(
        figure,
        f"{means.pair.iloc[0]}. Sparsity of each layer in percent, mean over seeds, at "
        f"{percent(float(sparsity))} % overall. Darker: more was removed; white: no result.",
    )
    return figure


def heat_map(
    axes: Axes, values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> None:
    """`values` [rows, columns] in percent as shades of grey that also print; NaN stays white.

    Beyond twelve columns the numbers in the fields are whole.
    """
    axes.imshow(values, cmap="Greys", vmin=0, vmax=130, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(rows)), [canvas.literal(row) for row in rows])
    axes.set_xticks(range(len(columns)), [canvas.literal(column) for column in columns])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    size = 7 if len(columns) <= _MOST_NUMBERS else 5.5
    for row, column in np.argwhere(~np.isnan(values)):
        value = values[row, column]
        dark = value / 130 > _WHITE_FROM
        text = f"{value:.1f}" if len(columns) <= _MOST_NUMBERS else f"{value:.0f}"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=size,
            color="white" if dark else "black",
        )
