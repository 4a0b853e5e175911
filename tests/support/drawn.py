"""Figures as objects, before they are saved, and what is in them."""

from pathlib import Path

from matplotlib.figure import Figure

from bench.jobs.cell import Cell
from bench.report import frame, summary
from bench.report.figures.canvas import settings
from bench.report.figures.drawings import sheets
from bench.report.figures.kind import Kind, Sheet
from bench.report.figures.kinds import KINDS


def sheet_of(kind: str | Kind, cells: list[Cell]) -> Sheet:
    """All that a figure of this kind is drawn from; the cells are of one pair."""
    table = frame(cells)
    kinds = [one for one in KINDS if one.name == kind] if isinstance(kind, str) else [kind]
    paths = {str(table.pair.iloc[0]): Path("unused")}
    (sheet,) = sheets(cells, table, summary(table), paths, kinds)
    return sheet


def draw(kind: str | Kind, cells: list[Cell]) -> Figure | None:
    """The figure, or None where there is nothing to draw."""
    sheet = sheet_of(kind, cells)
    assert sheet.kind.printed is not None
    with settings():
        return sheet.kind.printed(sheet)


def panels(figure: Figure) -> list:
    """The panels without the second scales that stand above them."""
    return [axes for axes in figure.axes if axes.get_label() == "panel"]


def lines(axes) -> dict:
    return {line.get_gid(): line for line in axes.lines if line.get_gid()}
