"""The answer of a study, one sentence per pair and protocol: who is best at which sparsity."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from bench.jobs.protocol import PROTOCOLS
from bench.report.best import Lead, leads
from bench.report.numerals import percent


class Winner(NamedTuple):
    """Who is ahead of a pair at one sparsity, over all allocations under one protocol."""

    sparsity: float
    allocation: str
    label: str
    lead: Lead


class Answer(NamedTuple):
    """The winners of one pair and protocol, sparsities ascending, and the sentence about them."""

    pair: str
    protocol: str
    winners: Sequence[Winner]
    sentence: str

    @property
    def heading(self) -> str:
        """The pair, with the protocol if it is one that trains."""
        return ", ".join([self.pair, *[self.protocol] * PROTOCOLS[self.protocol].trains])


def answers(cells: pd.DataFrame) -> list[Answer]:
    """An answer for every pair and protocol that has a result, in the order of the study.

    Protocols are kept apart, as one that trains has more to spend than one that doesn't.
    """
    found: dict[tuple[str, str], list[Winner]] = {}
    by_sparsity = leads(cells, ["pair", "protocol", "sparsity"], ["allocation", "label"])
    for (pair, protocol, sparsity), lead in by_sparsity.items():
        winner = Winner(float(str(sparsity)), lead.best[0], lead.best[1], lead)
        found.setdefault((str(pair), str(protocol)), []).append(winner)
    single = cells.allocation.nunique() == 1
    return [
        Answer(*key, sorted(winners), _sentence(sorted(winners), single))
        for key, winners in found.items()
    ]


def _sentence(winners: Sequence[Winner], single: bool) -> str:
    """Such as `kfac (global) is best at 50–80 % and woodfisher (global) at 90 %; ...`."""
    runs = []
    for who, run in itertools.groupby(winners, lambda w: (w.label, w.allocation)):
        name = who[0] if single else f"{who[0]} ({who[1]})"
        runs.append(f"{name} at {_span([winner.sparsity for winner in run])}")
    return f"{winners[0].lead.metric.best}: {_listed(runs)} sparsity; {_noise(winners)}."


def _noise(winners: Sequence[Winner]) -> str:
    said = {
        state: [winner.sparsity for winner in winners if winner.lead.clear is state]
        for state in (True, False, None)
    }
    if not said[True] and not said[False]:
        return "too few comparable results to tell a lead from noise"
    if not said[True] and not said[None]:
        return "nowhere is the lead beyond the noise of the seeds"
    parts = []
    if said[True]:
        parts.append(f"the lead is beyond the noise of the seeds at {_values(said[True])}")
    if said[False]:
        noise = "within it" if said[True] else "the lead is within the noise of the seeds"
        parts.append(f"{noise} at {_values(said[False])}")
    if said[None]:
        parts.append(f"not comparable at {_values(said[None])}")
    return ", ".join(parts)


def _span(sparsities: Sequence[float]) -> str:
    """The ends of neighbouring sparsities."""
    ends = dict.fromkeys((percent(sparsities[0]), percent(sparsities[-1])))
    return f"{'–'.join(ends)}\u00a0%"


def _values(sparsities: Sequence[float]) -> str:
    return f"{_listed([percent(sparsity) for sparsity in sparsities])}\u00a0%"


def _listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
