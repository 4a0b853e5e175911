"""Tables of what there is to choose from: methods, pairs, studies and datasets."""

import inspect
from collections.abc import Iterator
from dataclasses import fields

from rich.table import Table

import datasets
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.checkpoint import GivenWeights, PublishedWeights
from bench.pairs.pair import Pair
from bench.study.study import built_in, load_study
from methods import METHODS


def tables(kind: str) -> Iterator[Table]:
    """Iterate over the tables of one kind or of `all`.

    The kinds are `methods`, `pairs`, `studies` and `datasets`.
    """
    makers = {"methods": _methods, "pairs": _pairs, "studies": _studies, "datasets": _datasets}
    for name, maker in makers.items():
        if kind in (name, "all"):
            yield maker()


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _methods() -> Table:
    table = _table("Methods", "name", "fields and defaults", "what it does")
    for name, method in METHODS.items():
        defaults = ", ".join(f"{field.name}={field.default!r}" for field in fields(method))
        table.add_row(name, defaults or "–", _first_line(method))
    return table


def _pairs() -> Table:
    table = _table("Pairs", "name", "model", "dataset", "dense model")
    for pair in PAIRS.values():
        table.add_row(pair.name, pair.model.__name__, pair.dataset, _dense(pair))
    return table


def _dense(pair: Pair) -> str:
    """Return where the dense model comes from, and its accuracy if that is known."""
    if isinstance(pair.dense, Recipe):
        return "trained here on first use"
    if isinstance(pair.dense, GivenWeights):
        kind = "given by its plug-in"
    else:
        own = not isinstance(pair.dense, PublishedWeights)
        kind = f"your {pair.dense.file}" if own else "published"
    return kind if pair.dense_accuracy is None else f"{kind}, {pair.dense_accuracy:.2f} %"


def _studies() -> Table:
    table = _table("Studies", "name", "jobs", "title")
    for name in built_in():
        study = load_study(name)
        table.add_row(name, str(len(study.cells())), study.title)
    return table


def _datasets() -> Table:
    table = _table("Datasets", "name", "what it holds", "on this machine")
    for name, definition in datasets.DATASETS.items():
        state = datasets.available(name)
        reason = state.reason.splitlines()[0]
        table.add_row(name, definition.summary, f"{'yes' if state else 'no'}: {reason}")
    return table


def _first_line(method: type) -> str:
    """Return the first line of the method's docstring."""
    return (inspect.getdoc(method) or "").partition("\n")[0]
