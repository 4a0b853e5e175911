"""Which faults are tried: a sample by seed of all that the subjects' files offer."""

import ast
import random
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .subjects import Subject
from .text import Mutation, Text
from .walk import mutations

LISTED = Path(__file__).with_name("equivalents.toml")


@dataclass(frozen=True)
class Explained:
    """A fault that no test can see, known by its text, and why."""

    file: str
    scope: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class Mutant:
    """A fault of a subject's file; `before` and `after` are the lines touched, `line` the first."""

    subject: Subject
    file: str
    mutation: Mutation
    line: int
    before: str
    after: str

    @property
    def name(self) -> tuple[str, str, str, str]:
        """What it is called in the list of the explained ones, wherever its lines have moved."""
        return self.file, self.mutation.scope, _plain(self.before), _plain(self.after)


def every_mutant(root: Path, subjects: Iterable[Subject]) -> list[Mutant]:
    """All faults of these subjects, in the order of the table."""
    found = []
    for subject in subjects:
        for file in subject.files(root):
            text = Text((root / file).read_text(encoding="utf-8"))
            for mutation in mutations(text.bytes.decode()):
                found.append(Mutant(subject, file, mutation, *text.lines(mutation)))
    return found


def explained(path: Path = LISTED) -> list[Explained]:
    """The list of faults that no test can see."""
    listed = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
    return [Explained(**fields) for fields in listed]


def without_explained(
    mutants: Sequence[Mutant], known: Sequence[Explained]
) -> tuple[list[Mutant], list[Explained]]:
    """The mutants that a test should see, and the entries of the list that fit none."""
    names = {mutant.name for mutant in mutants}
    listed = {(entry.file, entry.scope, entry.before, entry.after): entry for entry in known}
    left = [mutant for mutant in mutants if mutant.name not in listed]
    return left, [entry for name, entry in listed.items() if name not in names]


def sample(root: Path, mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """`count` of the mutants, or all if there are fewer, that Python can read; the same by seed."""
    order = random.Random(seed).sample(mutants, len(mutants))
    chosen: list[Mutant] = []
    for mutant in order:
        if len(chosen) == count:
            break
        if _is_python(mutated(root, mutant)):
            chosen.append(mutant)
    return chosen


def mutated(root: Path, mutant: Mutant) -> str:
    """The text of the mutant's file with the fault in it."""
    return Text((root / mutant.file).read_text(encoding="utf-8")).with_(mutant.mutation)


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _plain(lines: str) -> str:
    return " ".join(lines.split())
