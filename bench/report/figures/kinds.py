"""The kinds of figures, each made of a sheet, as PDF and PNG."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.report.figures import canvas
from bench.report.figures.against import against_figure
from bench.report.figures.bars import phases_figure
from bench.report.figures.curves import accuracy_figure, flops_figure
from bench.report.figures.heat import layers_figure
from bench.report.figures.sheets import Sheet
from bench.report.figures.spending import budget_figure
from bench.report.figures.timing import time_figure

_MAKE: dict[str, Callable[[Sheet], Figure | None]] = {
    "accuracy": lambda sheet: accuracy_figure(sheet.means, sheet.dense, sheet.style),
    "linear": lambda sheet: accuracy_figure(sheet.means, sheet.dense, sheet.style, linear=True),
    "time": lambda sheet: time_figure(sheet.means, sheet.dense, sheet.style),
    "flops": lambda sheet: flops_figure(sheet.means, sheet.dense, sheet.style),
    "phases": lambda sheet: phases_figure(sheet.cells),
    "layers": lambda sheet: layers_figure(sheet.means, sheet.layers, sheet.names),
    "budget": lambda sheet: budget_figure(sheet.cells, sheet.means),
}


def save_figure(sheet: Sheet, suffixes: Sequence[str]) -> list[Path]:
    """Write the sheet's figure; no file where the records hold nothing for it, such as layers.

    One of an earlier report is removed there.
    """
    with canvas.settings():
        figure = _figure(sheet)
        if figure is not None:
            return canvas.save(figure, sheet.path, suffixes)
    for suffix in suffixes:
        sheet.path.with_name(f"{sheet.path.name}.{suffix}").unlink(missing_ok=True)
    return []


def _figure(sheet: Sheet) -> Figure | None:
    if sheet.kind in _MAKE:
        return _MAKE[sheet.kind](sheet)
    assert sheet.against is not None
    return against_figure(sheet.cells, sheet.means, sheet.dense, sheet.against)
