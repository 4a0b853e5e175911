"""A campaign: each subject's clean tests first, then its mutants, in copies of the checkout."""

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .checkout import Place, linked
from .runner import Limits, Outcome, Run, run_all
from .sampling import Mutant
from .subjects import Subject

CLEAN = Limits(600, 1800)
"""What the clean tests of one subject may take."""


class Broken(Exception):
    """The tests of a subject fail without any fault."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant, and in how many seconds of a processor."""

    mutant: Mutant
    outcome: Outcome
    seconds: float


class Campaign:
    """Copies of one checkout, with the data that its tests need, and the limits found in them."""

    def __init__(self, folder: Path, root: Path, data: Path, jobs: int) -> None:
        self.original = Place.made(folder / "original", root)
        self._data = linked(data, folder / "data")
        self._places = [
            Place.made(folder / f"place-{number}", self.original.checkout) for number in range(jobs)
        ]
        self._limits: dict[str, Limits] = {}

    def check(self, subjects: Sequence[Subject]) -> Iterator[tuple[Subject, float]]:
        """Run the clean tests of each subject; gives the seconds. Raises `Broken`."""
        starts = [functools.partial(self._clean, subject) for subject in subjects]
        for run in run_all(self._places, starts):
            subject = run.about
            if run.code != 0:
                said = run.place.output.read_text(errors="replace")
                raise Broken(f"{subject.name} (exit code {run.code}):\n{said}")
            took = time.monotonic() - run.began
            self._limits[subject.name] = Limits(10 + 4 * run.seconds, 60 + 10 * took)
            yield subject, run.seconds

    def run(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        """Try each mutant, in any order; its subject has been checked."""
        starts = [functools.partial(self._faulty, mutant) for mutant in mutants]
        for run in run_all(self._places, starts):
            run.place.restore(self.original.checkout, run.about.file)
            yield Result(run.about, run.outcome, run.seconds)

    def _clean(self, subject: Subject, place: Place) -> Run[Subject]:
        place.clean(self._data)
        return Run(subject, subject.arguments(place.checkout), CLEAN, place, self._data)

    def _faulty(self, mutant: Mutant, place: Place) -> Run[Mutant]:
        subject, data = mutant.subject, place.clean(self._data)
        place.take(mutant)
        limits = self._limits[subject.name]
        return Run(mutant, subject.arguments(place.checkout), limits, place, data)


@contextmanager
def campaign(root: Path, data: Path, jobs: int) -> Iterator[Campaign]:
    """A campaign in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="mutation-") as folder:
        yield Campaign(Path(folder).resolve(), root, data, jobs)
