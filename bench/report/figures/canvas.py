"""Size, type and files of the figures: readable in print, and the same bytes for the same data."""

import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

COLUMN_INCHES = 3.4
PAGE_INCHES = 6.9
DPI = 200
_NO_ROOM = "constrained_layout not applied"
_MOST_GROWTHS = 8
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}

_SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "legend.fontsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.6,
    "legend.frameon": False,
    "pdf.fonttype": 42,
}


@contextmanager
def settings() -> Iterator[None]:
    """Our type sizes and lines, whatever the user's matplotlibrc says; undone afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def panels(
    rows: int, columns: int, height: float, *, wide: bool = False
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of panels that share both axes; `height` is inches for a row of panels.

    A single column of panels is as wide as a column of print, unless `wide`.
    """
    width = COLUMN_INCHES if columns == 1 and not wide else PAGE_INCHES
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.label_outer(remove_inner_ticks=True)
        axes.set_label("panel")
    return figure, [list(row) for row in grid]


def legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str], handle: float) -> None:
    """One legend above all panels, read along its rows; the figure grows by what it needs.

    `handle` is the length of a handle in units of the font size.
    """
    width = figure.get_size_inches()[0]
    widest = max(len(label) for label in labels)
    # A letter at 8 points is about 0.062 inches wide, handle and gap take half an inch.
    columns = max(1, min(len(labels), int(width / (0.5 + 0.062 * widest))))
    rows = -(-len(labels) // columns)
    columns = -(-len(labels) // rows)
    _grow(figure, 0.17 * rows + 0.08)
    # matplotlib fills a legend down its columns.
    order = [index for column in range(columns) for index in range(column, len(labels), columns)]
    figure.legend(
        [handles[index] for index in order],
        [literal(labels[index]) for index in order],
        loc="outside upper center",
        ncols=columns,
        handlelength=handle,
        columnspacing=1.4,
        labelspacing=0.3,
    )


def footer(figure: Figure, text: str) -> None:
    """A small line beneath all panels that says how to read them."""
    # A letter at 7 points is about 0.054 inches wide.
    lines = textwrap.wrap(text, int(figure.get_size_inches()[0] / 0.054))
    _grow(figure, 0.12 * len(lines) + 0.05)
    figure.supxlabel(literal("\n".join(lines)), fontsize=7, color="#505050", linespacing=1.1)


def _grow(figure: Figure, inches: float) -> None:
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + inches)


def literal(text: str) -> str:
    """The text with its dollar signs kept from being read as mathematics."""
    return text.replace("$", r"\$")


def save(figure: Figure, path: Path, suffixes: Sequence[str] = ("pdf", "png")) -> list[Path]:
    """Write `path` with each suffix, without dates and versions in the files; returns them.

    A letter that the font lacks is drawn as an empty box, which is no reason to fail.
    """
    _without_ligatures(figure)
    files = [path.with_name(f"{path.name}.{suffix}") for suffix in suffixes]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        _lay_out(figure)
        for file, suffix in zip(files, suffixes, strict=True):
            figure.savefig(file, dpi=DPI, metadata=_METADATA.get(suffix))
    return files


def _lay_out(figure: Figure) -> None:
    """Place everything once; a figure whose texts leave its panels no room grows until they do.

    The layout is the same for all files and costs as much as drawing one. A figure that still has
    an engine, were it one that does nothing, is drawn twice for each.
    """
    engine = figure.get_layout_engine()
    for _ in range(_MOST_GROWTHS if engine else 0):
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", _NO_ROOM)
            assert engine is not None
            engine.execute(figure)
        if not any(re.match(_NO_ROOM, str(warning.message)) for warning in caught):
            break
        width, height = figure.get_size_inches()
        figure.set_size_inches(1.3 * width, 1.3 * height)
    figure.set_layout_engine(None)


def _without_ligatures(figure: Figure) -> None:
    """Letters as they are typed: the `fi` of `woodfisher` as one glyph takes a PDF a second font.

    Before matplotlib 3.11 there are none.
    """
    if hasattr(Text, "set_fontfeatures"):
        for text in figure.findobj(Text):
            text.set_fontfeatures(("-liga",))
