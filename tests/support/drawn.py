"""Figures as objects, before they are saved, and what is in them."""

from matplotlib.figure import Figure

from bench.report import Cell, frame, summary
from bench.report.figures.canvas import settings
from bench.report.figures.palette import looks


def draw(kind, cells: list[Cell]) -> Figure:
    means = summary(frame(cells))
    with settings():
        return kind(means, 93.5, looks(zip(means.label, means.method, strict=True)))


def panels(figure: Figure) -> list:
    """The panels without the second scales that stand above them."""
    return [axes for axes in figure.axes if axes.get_label() == "panel"]


def lines(axes) -> dict:
    return {line.get_gid(): line for line in axes.lines if line.get_gid()}
