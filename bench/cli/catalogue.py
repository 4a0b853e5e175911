"""The rows of what there is to choose from: methods, pairs, studies and datasets."""

import inspect
from dataclasses import fields

import datasets
from bench.cli.remembered import Listing
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.checkpoint import BuiltWeights, GivenWeights, PublishedWeights
from bench.pairs.pair import Pair
from bench.study.study import built_in, load_study
from methods import METHODS


def listing(kind: str) -> Listing:
    """Return the rows of one kind or of `all`, as the registries have them.

    The kinds are `methods`, `pairs`, `studies` and `datasets`.
    """
    makers = {"methods": _methods, "pairs": _pairs, "studies": _studies, "datasets": _datasets}
    return {name: maker() for name, maker in makers.items() if kind in (name, "all")}


def _methods() -> list[list[str]]:
    rows = []
    for name, method in METHODS.items():
        defaults = ", ".join(f"{field.name}={field.default!r}" for field in fields(method))
        rows.append([name, defaults or "–", _first_line(method)])
    return rows


def _pairs() -> list[list[str]]:
    return [[pair.name, pair.model.__name__, pair.dataset, _dense(pair)] for pair in PAIRS.values()]


def _dense(pair: Pair) -> str:
    """Return where the dense model comes from, and its accuracy if that is known."""
    if isinstance(pair.dense, Recipe):
        return "trained here on first use"
    if isinstance(pair.dense, GivenWeights):
        kind = "given by its plug-in"
    elif isinstance(pair.dense, BuiltWeights):
        kind = "your own"
    else:
        own = not isinstance(pair.dense, PublishedWeights)
        kind = f"your {pair.dense.file}" if own else "published"
    return kind if pair.dense_accuracy is None else f"{kind}, {pair.dense_accuracy:.2f} %"


def _studies() -> list[list[str]]:
    studies = (load_study(name) for name in built_in())
    return [[study.name, str(len(study.cells())), study.title] for study in studies]


def _datasets() -> list[list[str]]:
    rows = []
    for name, definition in datasets.DATASETS.items():
        state = datasets.available(name)
        reason = state.reason.splitlines()[0]
        rows.append([name, definition.summary, f"{'yes' if state else 'no'}: {reason}"])
    return rows


def _first_line(method: type) -> str:
    """Return the first line of the method's docstring."""
    return (inspect.getdoc(method) or "").partition("\n")[0]
