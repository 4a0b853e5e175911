"""Who of several methods is ahead by more than its seeds scatter: the one rule for what is bold."""

from typing import NamedTuple

import numpy as np

from bench.common.statistics.inference import LEVEL, Floats, holm, paired_difference

RULE = (
    f"paired two-sided t tests over the seeds that both have, p < {LEVEL:g} after Holm's correction"
)
"""The rule in the words of a caption."""


class Contest(NamedTuple):
    """Contenders by falling mean, and how surely the first is ahead of each of the others.

    `order` are their positions, `p_values` the first one's against each following one, corrected by
    Holm. `clear` is True where all of these are below 0.05, False where one isn't, and None where
    it can't be said, since there is one contender or a p-value is NaN.
    """

    order: list[int]
    p_values: list[float]
    clear: bool | None


def contest(values: Floats) -> Contest:
    """The contest of `values` [contenders, seeds], of which each row has a number and NaN are gaps.

    The tests are those of `paired_difference`, by which a difference that is the same in every seed
    shows nothing unless neither side varies over three or more seeds: rounding to whole test images
    makes two differences equal by chance.
    """
    order = [int(index) for index in np.argsort(-np.nanmean(values, axis=1), kind="stable")]
    known = ~np.isnan(values)
    tests = []
    for other in order[1:]:
        both = known[order[0]] & known[other]
        tests.append(paired_difference(values[order[0], both], values[other, both]).p)
    p_values = holm(tests)
    if not p_values or np.isnan(p_values).any():
        return Contest(order, p_values, None)
    return Contest(order, p_values, all(p < LEVEL for p in p_values))
