"""All verdicts of one check, and whether the gate is passed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.check.baseline import Result
from bench.check.published import Column, Value
from bench.check.regression import FAILING, Change, compare, compare_curves, judged
from bench.check.reproduction import Reproduction, judge
from bench.check.timing import Timing, timings
from bench.check.verdicts import counted
from bench.jobs.cell import Cell
from bench.study.study import Study


@dataclass(frozen=True)
class Check:
    """All verdicts of one check. `gone` are baseline results that no job of the study answers.

    `table` is the published table that was asked for by name.
    """

    study: Study
    table: str | None
    reproduced: Sequence[Reproduction]
    compared: Sequence[Change]
    timed: Sequence[Timing]
    stale: int
    gone: int
    known: bool

    @property
    def nothing(self) -> str:
        """A sentence where nothing was compared, or nothing of the table asked for; else empty."""
        published = any(item.ours is not None for item in self.reproduced)
        if self.table is not None and not published:
            why = dict.fromkeys(f"{item.value.method}: {item.reason}" for item in self.reproduced)
            return f"Nothing of the published table {self.table} was compared ({'; '.join(why)})."
        if published or any(map(judged, self.compared)):
            return ""
        if not self.known:
            return (
                "Nothing was compared: there is no published value of these results and no "
                "baseline; make one of these records with --update."
            )
        return (
            "Nothing was compared: no result of today's code answers one of the baseline "
            f"({counted(item.verdict for item in self.compared)})."
        )

    def failed(self, strict: bool) -> bool:
        """Whether something regressed or nothing was compared.

        `strict` wants every verdict to be a pass, and a baseline.
        """
        slow = self.study.gate.slowdown is not None and any(
            item.verdict == "slower" for item in self.timed
        )
        verdicts = {item.verdict for item in self.compared}
        unproven = not self.known or self.gone > 0 or verdicts - {"pass", "improved"}
        bad = slow or bool(verdicts & set(FAILING)) or bool(self.nothing)
        return bad or bool(strict and unproven)


def judge_all(
    study: Study,
    table: str | None,
    values: Sequence[tuple[Value, Column]],
    cells: Sequence[Cell],
    fresh: Sequence[Cell],
    known: Mapping[str, Result] | None,
) -> Check:
    """The records in `cells` beside published values, those in `fresh` beside the baseline.

    `fresh` are the cells without records of other code than today's; `known` is None where there is
    no baseline, `table` the published table that was asked for by name.
    """
    keys = {cell.job.key for cell in cells}
    compared = []
    if known is not None:
        compared = compare(fresh, known, study.gate) + compare_curves(fresh, known, study.gate)
    return Check(
        study=study,
        table=table,
        reproduced=judge(values, cells),
        compared=compared,
        timed=timings(fresh, known or {}, study.gate),
        stale=sum(a.record is not b.record for a, b in zip(cells, fresh, strict=True)),
        gone=len((known or {}).keys() - keys),
        known=known is not None,
    )
