"""Mean ranks of methods over all pairs, sparsities and allocations, under one protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.common.statistics.inference import Ranking, rank
from bench.report.columns import PANEL, metric_of
from bench.report.numerals import percent

FEWEST_BLOCKS = 6
FEWEST_METHODS = 3


@dataclass(frozen=True)
class Ranks:
    """The ranking of `labels` over blocks, or None where there are too few of either.

    `dropped` blocks lack a result of one of the `lacking` methods; `absent` methods have no result
    at all and don't take part.
    """

    labels: tuple[str, ...]
    blocks: int
    ranking: Ranking | None
    dropped: int
    lacking: tuple[str, ...]
    absent: tuple[str, ...]


def rank_methods(cells: pd.DataFrame) -> Ranks:
    """Rank the methods by the metric in each block, the mean over the seeds that all methods have.

    `cells` are of one protocol. A block is a pair, allocation and sparsity above 0, at which all
    methods are dense.
    """
    values, dropped, lacking = blocks(cells)
    labels = tuple(values.columns)
    enough = len(values) >= FEWEST_BLOCKS and len(labels) >= FEWEST_METHODS
    return Ranks(
        labels,
        len(values),
        rank(values.to_numpy()) if enough else None,
        dropped,
        tuple(lacking),
        tuple(label for label in cells.label.unique() if label not in labels),
    )


def blocks(cells: pd.DataFrame) -> tuple[pd.DataFrame, int, list[str]]:
    """Mean accuracies of the complete blocks, and what the others lack.

    A metric of which less is better has the other sign here.

    Returns a frame with one row per complete block and one column per method, the number of blocks
    that were dropped, and the methods without a result in one of these.
    """
    good = cells[cells.status == "ok"]
    labels = [label for label in cells.label.unique() if (good.label == label).any()]
    rows, lacking, dropped = [], set[str](), 0
    for block, here in cells[cells.sparsity > 0].groupby([*PANEL, "sparsity"], sort=False):
        ok = here[here.status == "ok"]
        metric = metric_of(here)
        table = ok.pivot(index="seed", columns="label", values=metric.column)
        table = metric.sign * table.reindex(columns=labels)
        shared = table.dropna()
        if shared.empty:
            dropped += 1
            lacking |= set(table.columns[table.isna().any()])
        else:
            rows.append(shared.mean().rename(str(block)))
    return pd.DataFrame(rows, columns=labels), dropped, [name for name in labels if name in lacking]


def sentences(ranks: Ranks, baseline: str | None) -> list[str]:
    """What the ranking says, or why there is none, and which blocks and methods it leaves out."""
    left = []
    if ranks.dropped:
        left.append(
            f"{ranks.dropped} of {ranks.blocks + ranks.dropped} blocks were dropped, as not every "
            f"method has a result there (lacking: {', '.join(ranks.lacking)})."
        )
    if ranks.absent:
        left.append(f"Without any result and left out: {', '.join(ranks.absent)}.")
    if ranks.ranking is None:
        return [
            f"There is no ranking and no critical-difference diagram: they need {FEWEST_BLOCKS} or "
            f"more blocks and {FEWEST_METHODS} or more methods, and there are "
            f"{ranks.blocks} blocks and {len(ranks.labels)} methods.",
            *left,
        ]
    return [*_statements(ranks, ranks.ranking, baseline), *left]


def _statements(ranks: Ranks, ranking: Ranking, baseline: str | None) -> list[str]:
    differs = "the ranks differ" if ranking.p < 0.05 else "no differences of ranks are shown"
    found = [
        f"Friedman's test over {ranking.blocks} blocks (pair × allocation × sparsity): "
        f"χ²\u00a0=\u00a0{ranking.statistic:.2f}, {probability(ranking.p)}: {differs}.",
        f"Nemenyi's critical difference at 5 %: {ranking.critical_difference:.2f} ranks.",
    ]
    if baseline is not None and baseline in ranks.labels and ranking.p < 0.05:
        found.append(_around(ranks, ranking, baseline))
    found.append(
        "Blocks of one pair share its checkpoint and test split, so they are not independent: the "
        "test speaks of these blocks, not of networks in general."
    )
    return found


def _around(ranks: Ranks, ranking: Ranking, baseline: str) -> str:
    """Who ranks significantly better or worse than the baseline."""
    own = ranking.ranks[ranks.labels.index(baseline)]
    distance = ranking.critical_difference
    named = list(zip(ranks.labels, ranking.ranks, strict=True))
    better = [label for label, other in named if own - other >= distance]
    worse = [label for label, other in named if other - own >= distance]
    return (
        f"Ranked significantly better than {baseline}: {_listed(better)}; worse: {_listed(worse)}."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def probability(p: float) -> str:
    """Such as `p = 0.012` or `p < 0.0001`, with spaces at which no line breaks."""
    return "p\u00a0<\u00a00.0001" if p < 1e-4 else f"p\u00a0=\u00a0{p:.2g}"


def spans(cells: pd.DataFrame) -> str:
    """The pairs, allocations and sparsities that the blocks come from."""
    sparsities = sorted(cells.sparsity[cells.sparsity > 0].unique())
    return (
        f"{', '.join(cells.pair.unique())}; {', '.join(cells.allocation.unique())}; "
        f"{', '.join(map(percent, sparsities))} %"
    )
