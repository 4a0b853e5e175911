"""Which method is ahead, and whether by more than its seeds scatter: a paired t test over seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

from bench.report.frame import RESOURCES

LEVEL = 0.05
_HASHES = ("checkpoint_sha256", "pair_sha256", "data_sha256")
_EQUAL = (*(f"limit_{name}" for name in RESOURCES), *_HASHES)

Name = tuple[str, ...]


class Lead(NamedTuple):
    """The two contenders with the highest mean accuracy.

    `clear` is True where the first beats every other one over the seeds they share (two-sided
    paired t test, p < 0.05), False where one of them is within noise, and None where that can't be
    said: one contender, fewer than two shared seeds, or unequal budgets or checkpoints. `rival` is
    the most accurate of those within noise.
    """

    best: Name
    second: Name | None
    accuracy: float
    margin: float
    clear: bool | None
    rival: Name | None = None


def leads(
    cells: pd.DataFrame, groups: Sequence[str], contender: Sequence[str]
) -> dict[tuple[object, ...], Lead]:
    """The lead within each group; a group without any result is left out.

    `cells` is the result of `frame`; `contender` are the columns that name who competes.
    """
    found: dict[tuple[object, ...], Lead] = {}
    good = cells[cells.status == "ok"]
    for key, part in good.groupby(list(groups), sort=False, observed=True):
        fair = all(part[name].nunique(dropna=False) == 1 for name in _EQUAL)
        by_seed = part.pivot(columns="seed", index=list(contender), values="accuracy")
        found[key if isinstance(key, tuple) else (key,)] = _lead(by_seed, fair)
    return found


def ranking(cells: pd.DataFrame) -> dict[tuple[object, object], str]:
    """`best` and `second` by sparsity and label, where the best is ahead by more than noise."""
    ranks: dict[tuple[object, object], str] = {}
    for (sparsity,), lead in leads(cells, ["sparsity"], ["label"]).items():
        if lead.clear and lead.second:
            ranks[sparsity, lead.best[0]] = "best"
            ranks[sparsity, lead.second[0]] = "second"
    return ranks


def _lead(by_seed: pd.DataFrame, fair: bool) -> Lead:
    """`by_seed` has a row a contender and a column a seed."""
    values = by_seed.to_numpy(np.float64)
    means = np.nanmean(values, axis=1)
    order = np.argsort(-means, kind="stable")
    names = [name if isinstance(name, tuple) else (name,) for name in by_seed.index]
    best = int(order[0])
    if len(order) == 1:
        return Lead(names[best], None, float(means[best]), 0.0, None)
    second = int(order[1])
    p_values = _paired_p(values[best] - values[order[1:]])
    clear = None if np.isnan(p_values).any() or not fair else bool((p_values < LEVEL).all())
    close = [names[other] for other, p in zip(order[1:], p_values, strict=True) if p >= LEVEL]
    rival = close[0] if clear is False else None
    margin = float(means[best] - means[second])
    return Lead(names[best], names[second], float(means[best]), margin, clear, rival)


def _paired_p(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p [k] that differences [k, seeds] have mean 0; NaN for fewer than two seeds.

    Where all seeds agree to the last digit, as between two deterministic methods, p is 0 or 1.
    """
    result = np.full(len(differences), np.nan)
    for row, all_seeds in enumerate(differences):
        seeds = all_seeds[~np.isnan(all_seeds)]
        if len(seeds) < 2:
            continue
        error = seeds.std(ddof=1) / np.sqrt(len(seeds))
        if error < 1e-12:
            result[row] = float(abs(seeds.mean()) < 1e-12)
        else:
            result[row] = 2 * stdtr(len(seeds) - 1, -abs(seeds.mean() / error))
    return result
