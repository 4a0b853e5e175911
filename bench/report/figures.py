"""The figures of a report for each pair, as PDF and PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.figure import Against
from bench.report import canvas
from bench.report.against import against_figure
from bench.report.curves import accuracy_figure, flops_figure
from bench.report.frame import Cell
from bench.report.heat import layers_figure
from bench.report.layers import layer_means
from bench.report.palette import looks
from bench.report.spending import budget_figure
from bench.report.timing import time_figure


def write_figures(
    cells: Sequence[Cell],
    table: pd.DataFrame,
    means: pd.DataFrame,
    paths: Mapping[str, Path],
    suffixes: Sequence[str] = ("pdf", "png"),
    against: Against | None = None,
) -> list[Path]:
    """Write `PATH-KIND` for every pair in `paths` and each kind there is; returns the files.

    The kinds are accuracy, linear, time, flops, layers, budget, and the hyper-parameter of
    `against`; a figure for which the records hold nothing, such as layers, is left out. `table` and
    `means` are the results of `frame` and `summary`. The suffix `pgf` needs a LaTeX on the machine.
    """
    style = looks(zip(means.label, means.method, strict=True))
    names, rows = layer_means(cells, means)
    layers = pd.Series(rows, index=means.index, dtype="object")
    files: list[Path] = []
    for pair, path in paths.items():
        part, own = means[means.pair == pair], table[table.pair == pair]
        dense = float(own.dense_accuracy.mean())
        with canvas.settings():
            drawn = {
                "accuracy": accuracy_figure(part, dense, style),
                "linear": accuracy_figure(part, dense, style, linear=True),
                "time": time_figure(part, dense, style),
                "flops": flops_figure(part, dense, style),
                "layers": layers_figure(part, layers[part.index], names.get(pair, [])),
                "budget": budget_figure(own, part),
            }
            if against is not None:
                drawn[against.x] = against_figure(own, part, dense, against)
            for kind, figure in drawn.items():
                if figure:
                    files += canvas.save(figure, path.with_name(f"{path.name}-{kind}"), suffixes)
    return files
