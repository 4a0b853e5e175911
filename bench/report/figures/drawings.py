"""The figures that a report wants, drawn into files here or in the processes of a pool."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path

import pandas as pd

from bench.jobs.cell import Cell
from bench.report.columns import metric_of
from bench.report.figures.kind import Kind, Sheet
from bench.report.figures.palette import looks
from bench.report.layers import layer_means

log = logging.getLogger(__name__)

SUFFIXES = ("pdf", "png")


def sheets(
    cells: Sequence[Cell],
    table: pd.DataFrame,
    means: pd.DataFrame,
    paths: Mapping[str, Path],
    kinds: Sequence[Kind],
    small: bool = False,
) -> list[Sheet]:
    """A sheet for every pair in `paths` and each printed kind, to be written as `PATH-KIND`.

    `table` and `means` are the results of `frame` and `summary`. One that is `small` becomes a PNG
    of few bytes and no PDF.
    """
    style = looks(zip(means.label, means.method, strict=True))
    names, rows = layer_means(cells, means)
    layers = pd.Series(rows, index=means.index, dtype="object")
    found = []
    for pair, path in paths.items():
        part, own = means[means.pair == pair], table[table.pair == pair]
        metric = metric_of(own)
        dense = float(own[metric.dense].mean())
        rest = (part, own, dense, style, layers[part.index], names.get(pair, []), small)
        found += [
            Sheet(kind, path.with_name(f"{path.name}-{kind.name}"), *rest)
            for kind in (kind.judged_by(metric) for kind in kinds)
            if kind.printed is not None
        ]
    return found


def draw(sheet: Sheet, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Write the figure with each suffix; no file where the records hold nothing for it.

    One of an earlier report is removed there. The suffix `pgf` needs a LaTeX on the machine.
    """
    # matplotlib takes a second to load, which whoever only reads a report's tables shouldn't pay.
    from bench.report.figures import canvas
    from bench.report.small import shrink

    suffixes = ("png",) if sheet.small else suffixes
    assert sheet.kind.printed is not None
    with canvas.settings():
        figure = sheet.kind.printed(sheet)
        if figure is not None:
            files = canvas.save(figure, sheet.path, suffixes)
            for file in files if sheet.small else ():
                shrink(file)
            return files
    for suffix in suffixes:
        sheet.path.with_name(f"{sheet.path.name}.{suffix}").unlink(missing_ok=True)
    return []


class Drawings:
    """Figures that the processes of a pool draw meanwhile, and this one too when it has time."""

    def __init__(self, wanted: Sequence[Sheet], pool: Executor | None) -> None:
        self._wanted = wanted
        self._begun: dict[Path, Future[list[Path]]] = {}
        if pool is None:
            return
        # The one with most panels is begun first, so that nobody is left alone with it in the end.
        for sheet in sorted(wanted, key=lambda sheet: sheet.kind.name != "time"):
            try:
                self._begun[sheet.path] = pool.submit(draw, sheet)
            except BrokenExecutor:
                return

    def files(self) -> list[Path]:
        """All files in order, when they are written.

        What no process has begun is drawn here from the last to the first, as the pool goes from
        the first to the last; so is what a dead process left.
        """
        found: dict[Path, list[Path]] = {}
        for sheet in reversed(self._wanted):
            future = self._begun.get(sheet.path)
            if future is None or future.cancel():
                found[sheet.path] = draw(sheet)
        for sheet in self._wanted:
            if sheet.path not in found:
                found[sheet.path] = self._drawn(sheet)
        return [file for sheet in self._wanted for file in found[sheet.path]]

    def _drawn(self, sheet: Sheet) -> list[Path]:
        try:
            return self._begun[sheet.path].result()
        except BrokenExecutor as error:
            log.info("%s is drawn again: %s", sheet.path.name, error)
            return draw(sheet)
