"""What a campaign found: a table by subject, and the mutants that survived."""

import textwrap
from collections.abc import Sequence

from .campaign import Result
from .runner import Outcome

ENOUGH = 0.9
"""The share of mutants that has to be killed."""

OUTCOMES: tuple[Outcome, ...] = ("killed", "timeout", "survived")


def table(results: Sequence[Result]) -> str:
    """A line a subject, and one for all: mutants by outcome, the share killed, and seconds each."""
    subjects = dict.fromkeys(result.mutant.subject.name for result in results)
    lines = [f"{'subject':24} mutants  killed timeout survived    rate   seconds each"]
    for name in sorted(subjects):
        lines.append(_line(name, [r for r in results if r.mutant.subject.name == name]))
    return "\n".join([*lines, _line("all", results)])


def enough(results: Sequence[Result]) -> bool:
    """Whether so many were killed, an endless loop being one of them."""
    alive = sum(result.outcome == "survived" for result in results)
    return len(results) - alive >= ENOUGH * len(results)


def _line(name: str, results: Sequence[Result]) -> str:
    counts = [sum(result.outcome == outcome for result in results) for outcome in OUTCOMES]
    total = max(1, len(results))
    rate = 100 * (1 - counts[2] / total)
    seconds = sum(result.seconds for result in results) / total
    killed, late, alive = counts
    return f"{name:24} {len(results):7} {killed:7} {late:7} {alive:8} {rate:6.1f} % {seconds:14.1f}"


def survivors(results: Sequence[Result]) -> str:
    """Each survivor as a difference of lines under its place."""
    alive = [result.mutant for result in results if result.outcome == "survived"]
    parts = [
        f"{mutant.file}:{mutant.line} ({mutant.mutation.scope or 'module'}, {mutant.mutation.kind})"
        f"\n{_marked('-', mutant.before)}\n{_marked('+', mutant.after)}"
        for mutant in alive
    ]
    return "\n\n".join([f"{len(alive)} survived.", *parts])


def _marked(sign: str, lines: str) -> str:
    return textwrap.indent(textwrap.dedent(lines) or "(nothing)", f"{sign} ")
