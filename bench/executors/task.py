"""What an executor is given and what it gives back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.common.stopping import Stop
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs.preparing.dense import Dense
from bench.study.study import Entry
from methods import build

GRADIENT_COPIES = 2.5
"""What a method takes at most, in sizes of its m×d gradients: the bound of the speed benchmark."""

Progress = Callable[[int, int], None]


@dataclass(eq=False)
class Task:
    """A job to be done. `need` are the bytes that it may take; `died` counts lost processes."""

    entry: Entry
    need: float = 0.0
    died: int = 0


@dataclass(frozen=True)
class Work:
    """What all jobs of one run have in common; `memory` bounds a chunk of examples, in bytes."""

    study: str
    results: Path
    memory: int
    plugins: tuple[Path, ...] = ()

    @property
    def store(self) -> RecordStore:
        """Where the records go."""
        return RecordStore(self.results, self.study)


class Executor(Protocol):
    """Runs jobs somewhere."""

    def prepare(self) -> None:
        """Start what takes long to start; raises `UserError` where the jobs can't run."""

    def run(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop: Stop
    ) -> Iterator[Record]:
        """Each job's record when it is on disk, in the order in which they are done.

        A job that fails gives a record that says so. Ends early where `stop` was asked for; raises
        `UserError` where no job can be recorded any more.
        """


def need(entry: Entry, dense: Dense, memory: int) -> int:
    """Bytes that the job may take beside the data: models, a chunk of examples, its gradients."""
    held = build(entry.job.method, entry.job.hyperparameters).gradients_held()
    prunable = sum(dense.model.get_parameter(name).numel() for name in dense.prunable)
    return int(3 * 4 * dense.parameters + memory + GRADIENT_COPIES * 4 * held * prunable)
