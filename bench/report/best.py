"""Which method is ahead, and whether by more than its seeds scatter, in each column of a table."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.common.statistics.contest import contest
from bench.common.statistics.inference import LEVEL
from bench.report.columns import RESOURCES

_HASHES = ("checkpoint_sha256", "pair_sha256", "data_sha256")
_EQUAL = (*(f"limit_{name}" for name in RESOURCES), *_HASHES)

Name = tuple[str, ...]


class Lead(NamedTuple):
    """The two contenders with the highest mean accuracy.

    `clear` is True where the first is ahead of every other one by the rule of `contest`,
    False where one of them is within noise, and None where that can't be said: one contender, pairs
    of seeds that tell nothing, or unequal budgets or checkpoints. `rival` is the most accurate of
    those within noise.
    """

    best: Name
    second: Name | None
    accuracy: float
    margin: float
    clear: bool | None
    rival: Name | None = None


def fair(cells: pd.DataFrame) -> bool:
    """Whether all cells had one budget, one dense model and one dataset."""
    return all(cells[name].nunique(dropna=False) == 1 for name in _EQUAL)


def leads(
    cells: pd.DataFrame, groups: Sequence[str], contender: Sequence[str]
) -> dict[tuple[object, ...], Lead]:
    """The lead within each group; a group without any result is left out.

    `cells` is the result of `frame`; `contender` are the columns that name who competes. Sanity
    controls don't: they are no methods.
    """
    found: dict[tuple[object, ...], Lead] = {}
    good = cells[(cells.status == "ok") & (cells.control == "")]
    for key, part in good.groupby(list(groups), sort=False, observed=True):
        by_seed = part.pivot(columns="seed", index=list(contender), values="accuracy")
        found[key if isinstance(key, tuple) else (key,)] = _lead(by_seed, fair(part))
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


def _lead(by_seed: pd.DataFrame, comparable: bool) -> Lead:
    """`by_seed` has one row for each contender and one column for each seed."""
    values = by_seed.to_numpy(np.float64)
    means = np.nanmean(values, axis=1)
    found = contest(values)
    names = [name if isinstance(name, tuple) else (name,) for name in by_seed.index]
    best, *others = found.order
    if not others:
        return Lead(names[best], None, float(means[best]), 0.0, None)
    clear = found.clear if comparable else None
    close = [names[n] for n, p in zip(others, found.p_values, strict=True) if p >= LEVEL]
    rival = close[0] if clear is False else None
    margin = float(means[best] - means[others[0]])
    return Lead(names[best], names[others[0]], float(means[best]), margin, clear, rival)
