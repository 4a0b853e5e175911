"""Which method has the best mean in each column of a table, and whether by more than noise."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.common.statistics.contest import contest
from bench.common.statistics.inference import LEVEL
from bench.jobs.metric import ACCURACY, Metric
from bench.report.columns import RESOURCES, metric_of

_HASHES = ("checkpoint_sha256", "pair_sha256", "data_sha256")
_EQUAL = (*(f"limit_{name}" for name in RESOURCES), *_HASHES)

Name = tuple[str, ...]


class Lead(NamedTuple):
    """The two contenders with the best mean of the pair's metric.

    `clear` is True where the first is ahead of every other one by the rule of `contest`,
    False where one of them is within noise, and None where that can't be said: one contender, pairs
    of seeds that tell nothing, or unequal budgets or checkpoints. `rival` is the best of those
    within noise. `value` is the mean of the first, `margin` how much better it is.
    """

    best: Name
    second: Name | None
    value: float
    margin: float
    clear: bool | None
    rival: Name | None = None
    metric: Metric = ACCURACY


def fair(cells: pd.DataFrame) -> bool:
    """Whether all cells had one budget, one dense model and one dataset."""
    return all(cells[name].nunique(dropna=False) == 1 for name in _EQUAL)


def leads(
    cells: pd.DataFrame, groups: Sequence[str], contender: Sequence[str]
) -> dict[tuple[object, ...], Lead]:
    """The lead within each group; a group without any result is left out.

    `cells` is the result of `frame`, each group of one pair; `contender` are the columns that name
    who competes. Sanity controls don't: they are no methods.
    """
    found: dict[tuple[object, ...], Lead] = {}
    good = cells[(cells.status == "ok") & (cells.control == "")]
    for key, part in good.groupby(list(groups), sort=False, observed=True):
        metric = metric_of(part)
        by_seed = part.pivot(columns="seed", index=list(contender), values=metric.column)
        found[key if isinstance(key, tuple) else (key,)] = _lead(by_seed, metric, fair(part))
    return found


def ranking(cells: pd.DataFrame) -> dict[tuple[object, object], str]:
    """`best` and `second` by sparsity and label, where the best is ahead by more than noise.

    `cells` are of one pair and allocation; methods compete with those of their own protocol.
    """
    ranks: dict[tuple[object, object], str] = {}
    for (_, sparsity), lead in leads(cells, ["protocol", "sparsity"], ["label"]).items():
        if lead.clear and lead.second:
            ranks[sparsity, lead.best[0]] = "best"
            ranks[sparsity, lead.second[0]] = "second"
    return ranks


def _lead(by_seed: pd.DataFrame, metric: Metric, comparable: bool) -> Lead:
    """`by_seed` has one row for each contender and one column for each seed."""
    values = by_seed.to_numpy(np.float64)
    means = np.nanmean(values, axis=1)
    found = contest(metric.sign * values)
    names = [name if isinstance(name, tuple) else (name,) for name in by_seed.index]
    best, *others = found.order
    if not others:
        return Lead(names[best], None, float(means[best]), 0.0, None, metric=metric)
    clear = found.clear if comparable else None
    close = [names[n] for n, p in zip(others, found.p_values, strict=True) if p >= LEVEL]
    rival = close[0] if clear is False else None
    margin = metric.sign * float(means[best] - means[others[0]])
    return Lead(names[best], names[others[0]], float(means[best]), margin, clear, rival, metric)
