"""The subjects of mutation: which tests answer for which files, as `subjects.toml` lists them.

A mutant is tried on all tests of its subject that aren't slow, so they should take seconds.
"""

import ast
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Subject:
    """Code, relative to the checkout, and its tests, relative to the folder `tests`.

    `*` stands for anything but a folder, also for nothing at all; a name without it must exist. In
    `tests`, `file::name` is one test.
    """

    name: str
    code: tuple[str, ...]
    tests: tuple[str, ...]

    def files(self, root: Path) -> list[str]:
        """The files of the subject, as paths relative to the checkout."""
        return _found(root, self.code)

    def arguments(self, root: Path) -> list[str]:
        """What pytest is called with in a copy of the checkout `root`."""
        chosen = []
        for pattern in self.tests:
            file, *name = pattern.split("::", 1)
            chosen += ["::".join([path, *name]) for path in _found(root, (f"tests/{file}",))]
        return chosen

    def absent(self, root: Path) -> list[str]:
        """Names without a `*` that don't exist: the table is behind the checkout."""
        tests = (f"tests/{name.split('::')[0]}" for name in self.tests)
        return [n for n in (*self.code, *tests) if "*" not in n and not (root / n).is_file()]


def _found(root: Path, patterns: Sequence[str]) -> list[str]:
    paths = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return list(dict.fromkeys(path.relative_to(root).as_posix() for path in paths))


def _subject(entry: dict[str, Any], lists: dict[str, list[str]]) -> Subject:
    tests = (test for name in entry["tests"] for test in lists.get(name, [name]))
    return Subject(entry["name"], tuple(entry["code"]), tuple(tests))


_TABLE = tomllib.loads(Path(__file__).with_name("subjects.toml").read_text(encoding="utf-8"))
SUBJECTS: Sequence[Subject] = [_subject(entry, _TABLE["tests"]) for entry in _TABLE["subject"]]

NUMERICS = {"torch", "numpy", "scipy", "statistics", "math"}
"""A file that imports one of these reckons, and belongs to a subject or to `[elsewhere]`."""


def unassigned(root: Path) -> list[str]:
    """Files that reckon with numbers and that no subject has."""
    known = {file for subject in SUBJECTS for file in subject.files(root)}
    known |= set(_found(root, _TABLE["elsewhere"]["code"]))
    every = _found(root, ("bench/**/*.py", "methods/**/*.py", "datasets/**/*.py"))
    return [file for file in every if file not in known and _imports(root / file) & NUMERICS]


def _imports(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
