"""The figures that a report wants, each with all it is drawn from, and where they are drawn."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.report.figures.palette import Look, looks
from bench.report.frame import Cell
from bench.report.layers import layer_means
from bench.study.figure import Against

log = logging.getLogger(__name__)

KINDS = ("accuracy", "linear", "time", "flops", "phases", "layers", "budget")
SUFFIXES = ("pdf", "png")


@dataclass(frozen=True)
class Sheet:
    """One figure of one pair: its kind, and the pair's part of everything.

    `means` and `cells` are rows of the results of `summary` and `frame`, `layers` a list of
    sparsities in the order of `names` for each row of `means`. One that is `small` becomes a PNG
    of few bytes and no PDF.
    """

    kind: str
    path: Path
    means: pd.DataFrame
    cells: pd.DataFrame
    dense: float
    style: dict[str, Look]
    layers: pd.Series
    names: Sequence[str]
    against: Against | None = None
    small: bool = False


def sheets(
    cells: Sequence[Cell],
    table: pd.DataFrame,
    means: pd.DataFrame,
    paths: Mapping[str, Path],
    against: Against | None = None,
    small: bool = False,
) -> list[Sheet]:
    """A sheet for every pair in `paths` and each kind, to be written as `PATH-KIND`.

    `table` and `means` are the results of `frame` and `summary`; `against` asks for one kind more.
    `small` sheets are those of the kinds that a brief report shows.
    """
    style = looks(zip(means.label, means.method, strict=True))
    names, rows = layer_means(cells, means)
    layers = pd.Series(rows, index=means.index, dtype="object")
    every = (*KINDS, against_kind(against)) if against else KINDS
    kinds = brief_kinds(against) if small else every
    found = []
    for pair, path in paths.items():
        part, own = means[means.pair == pair], table[table.pair == pair]
        dense = float(own.dense_accuracy.mean())
        rest = (part, own, dense, style, layers[part.index], names.get(pair, []), against, small)
        found += [Sheet(kind, path.with_name(f"{path.name}-{kind}"), *rest) for kind in kinds]
    return found


def against_kind(against: Against) -> str:
    """The kind of the study's own figure: its field, if no other figure is called so."""
    return against.x if against.x not in KINDS else f"{against.x}-field"


def brief_kinds(against: Against | None) -> tuple[str, ...]:
    """The kinds that a brief report shows: the study's own figure, if any, and accuracy."""
    return (against_kind(against), "accuracy") if against else ("accuracy", "time")


def draw(sheet: Sheet, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Write the figure with each suffix; no file where the records hold nothing for it.

    The suffix `pgf` needs a LaTeX on the machine.
    """
    from bench.report.figures.kinds import save_figure

    if not sheet.small:
        return save_figure(sheet, suffixes)
    from bench.report.small import shrink

    files = save_figure(sheet, ("png",))
    for file in files:
        shrink(file)
    return files


class Drawings:
    """Figures that the processes of a pool draw meanwhile, and this one too when it has time."""

    def __init__(self, wanted: Sequence[Sheet], pool: Executor | None) -> None:
        self._wanted = wanted
        self._begun: dict[Path, Future[list[Path]]] = {}
        if pool is None:
            return
        # The one with most panels is begun first, so that nobody is left alone with it in the end.
        for sheet in sorted(wanted, key=lambda sheet: sheet.kind != "time"):
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
