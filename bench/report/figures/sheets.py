"""The figures that a report wants, each with everything that it is drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.report.figures.palette import Look, looks
from bench.report.frame import Cell
from bench.report.layers import layer_means
from bench.study.figure import Against

KINDS = ("accuracy", "linear", "time", "flops", "phases", "layers", "budget")


@dataclass(frozen=True)
class Sheet:
    """One figure of one pair: its kind, and the pair's part of everything.

    `means` and `cells` are rows of the results of `summary` and `frame`, `layers` a list of
    sparsities in the order of `names` for each row of `means`.
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


def sheets(
    cells: Sequence[Cell],
    table: pd.DataFrame,
    means: pd.DataFrame,
    paths: Mapping[str, Path],
    against: Against | None = None,
) -> list[Sheet]:
    """A sheet for every pair in `paths` and each kind, to be written as `PATH-KIND`.

    `table` and `means` are the results of `frame` and `summary`; `against` asks for one kind more.
    """
    style = looks(zip(means.label, means.method, strict=True))
    names, rows = layer_means(cells, means)
    layers = pd.Series(rows, index=means.index, dtype="object")
    kinds = (*KINDS, against_kind(against)) if against else KINDS
    found = []
    for pair, path in paths.items():
        part, own = means[means.pair == pair], table[table.pair == pair]
        dense = float(own.dense_accuracy.mean())
        rest = (part, own, dense, style, layers[part.index], names.get(pair, []), against)
        found += [Sheet(kind, path.with_name(f"{path.name}-{kind}"), *rest) for kind in kinds]
    return found


def against_kind(against: Against) -> str:
    """The kind of the study's own figure: its field, if no other figure is called so."""
    return against.x if against.x not in KINDS else f"{against.x}-field"
