"""What an executor is given, what it returns, and the protocol that every executor follows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.common.stopping import Stop
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs.preparing.dense import Dense

Progress = Callable[[int, int], None]
"""A function that is called after each training step with the steps done and the steps in all."""


@dataclass(eq=False)
class Task:
    """A job to be run; `need` is the bytes it may take, `died` counts the processes it lost."""

    cell: Cell
    need: float = 0.0
    died: int = 0


@dataclass(frozen=True)
class Work:
    """What all jobs of one run share; `memory` is the bytes that a chunk of examples may take."""

    study: str
    results: Path
    memory: int

    @property
    def store(self) -> RecordStore:
        """The store that the records are written to."""
        return RecordStore(self.results, self.study)


class Executor(Protocol):
    """The operations of an executor, which runs jobs somewhere."""

    def prepare(self) -> None:
        """Start what takes long to start; raises `UserError` if the jobs can't run."""

    def run(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop: Stop
    ) -> Iterator[Record]:
        """Yield each job's record when it is on disk, in the order in which the jobs end.

        A failed job has a record that says so. Ends early if `stop` was asked for; raises
        `UserError` if records can't be written any more.
        """
