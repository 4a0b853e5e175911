"""Decides whether one method is ahead by more than its seeds scatter: the rule for bold numbers."""

from typing import NamedTuple

import numpy as np

from bench.common.statistics.inference import LEVEL, Floats, holm, paired_difference

RULE = (
    f"paired two-sided t tests over the seeds that both have, p < {LEVEL:g} after Holm's correction"
)
"""The rule, in the words of a caption."""


class Contest(NamedTuple):
    """Contenders by falling mean, and how certainly the first is ahead of each of the others.

    `order` are their positions, `p_values` those of the first against each following one, corrected
    by Holm. `clear` is True if all of these are below 0.05, False if one isn't, and None if it
    can't be said, because there is only one contender or a p-value is NaN.
    """

    order: list[int]
    p_values: list[float]
    clear: bool | None


def contest(values: Floats) -> Contest:
    """Return the contest of `values` [contenders, seeds]; each row has a number, NaN marks gaps.

    The tests are those of `paired_difference`. By it, a difference that is the same for every seed
    shows nothing, unless neither side varies over three or more seeds: since accuracies are rounded
    to whole test images, two differences can be equal by chance.
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
