"""Sentences on what a report can't show of a pair, and why: unknown times, infinite ratios."""

import pandas as pd

from bench.report.numerals import percent


def gaps(means: pd.DataFrame) -> list[str]:
    """For each kind of figure that no result of a pair has a place in, a sentence that says why.

    `means` are the pair's rows of the summary. A figure that can be drawn for some has no sentence.
    """
    found: list[str] = []
    good = means[means.ok > 0]
    if good.empty:
        return found
    if not (good.prune_seconds_median > 0).any():
        found.append(
            "Nothing is drawn against pruning time: no cell with a result has one above zero. What "
            "prunes in the course of a training has none of its own."
        )
    if not (good.flops_mean > 0).any():
        found.append("There is no figure of FLOPs: no cell with a result has more than zero.")
    return found


def untimed(cells: pd.DataFrame) -> str:
    """Which labels have results but no time of pruning, as a sentence; empty if none."""
    good = cells[cells.status == "ok"]
    longest = good.groupby("label", sort=False).prune_seconds.max()
    without = [str(label) for label, seconds in longest.items() if not seconds > 0]
    return f"Without a time of pruning: {', '.join(without)}." if without else ""


def exhausted(cells: pd.DataFrame) -> str:
    """Where nothing can be or was removed, or nothing is left; empty if neither is the case."""
    good = cells[cells.status == "ok"]
    parts = []
    if (good.prunable == 0).any():
        parts.append("It has no weights that can be pruned: every sparsity is the dense model.")
    emptied = good[(good.nonzero == 0) & (good.prunable > 0)]
    if len(emptied):
        where = ", ".join(percent(sparsity) for sparsity in sorted(emptied.sparsity.unique()))
        names = ", ".join(dict.fromkeys(emptied.label))
        parts.append(f"No prunable weight is left at {where} % ({names}).")
    infinite = [
        what
        for ratio, known, what in (
            ("compression", "nonzero", "ratio of compression"),
            ("speedup", "flops", "theoretical speed-up"),
        )
        if (good[known].eq(0) & good[ratio].isna()).any()
    ]
    if infinite:
        parts.append(f"Infinite where nothing is left, and not given: {' and '.join(infinite)}.")
    return " ".join(parts)
