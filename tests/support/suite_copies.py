"""Copies of the suite's code, edited, with the hashes that jobs would have in them."""

import ast
import inspect
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.fingerprint import NOTHING, Closure, Outside, Target, closure, code_of, places, source
from bench.fingerprint.modules import module_of
from bench.fingerprint.source import File
from bench.jobs.job import Job
from bench.run import identity as job_identity
from bench.run.one_job import _run


class Copy:
    """The suite's packages in another folder; `inner` is where `bench` lies in `bench`."""

    def __init__(self, folder: Path, inner: str = "") -> None:
        self.folder, self.inner = folder, inner
        for package in source.SUITE:
            place = folder / package / (inner if package == "bench" else "")
            shutil.copytree(source.ROOT / package, place, ignore=shutil.ignore_patterns("*.pyc"))

    def file(self, path: Path) -> Path:
        """The copy of one of the suite's files."""
        package, *rest = path.relative_to(source.ROOT).parts
        return self.folder.joinpath(package, *[self.inner] * (package == "bench"), *rest)

    def edit(self, code: object, change: Callable[[str], str]) -> None:
        """Change the text of the file that the function, class or module is in."""
        self.rewrite(self.file(Path(inspect.getfile(inspect.unwrap(code)))), change)

    def rewrite(self, file: Path, change: Callable[[str], str]) -> None:
        """Change the text of a file of the copy."""
        before = file.read_text()
        file.write_text(change(before))
        assert file.read_text() != before
        for cache in (source.text, module_of, closure):
            cache.cache_clear()

    def insert(self, function: Callable[..., object], statement: str = "assert True") -> None:
        """Let the function begin with the statement."""

        def change(text: str) -> str:
            first = _first_statement(text, function.__qualname__)
            lines = text.splitlines(keepends=True)
            lines.insert(first.lineno - 1, " " * first.col_offset + statement + "\n")
            return "".join(lines)

        self.edit(function, change)

    def sha256(self, job: Job) -> str:
        """The hash of the job's code, with the copy in place of the suite."""
        with pytest.MonkeyPatch.context() as patch:
            for place in (job_identity, sys.modules[code_of.__module__]):
                patch.setattr(place, "closure", self.closure)
            _forget()
            try:
                return job_identity.source_sha256(job, _run)
            finally:
                _forget()

    def closure(self, roots: tuple[Target, ...], outside: Outside = NOTHING) -> Closure:
        """That of the roots, those of the suite taken from the copy."""
        here = tuple(
            Target(File(self.file(one.file.path)), one.name)
            if source.of_the_suite(one.file.path)
            else one
            for one in roots
        )
        files = frozenset(map(self.file, outside.files))
        definitions = frozenset((self.file(path), name) for path, name in outside.definitions)
        source.of_the_suite.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            for module in (source, places):
                patch.setattr(module, "ROOT", self.folder)
            found = closure(here, Outside(files, definitions))
        source.of_the_suite.cache_clear()
        return found


def _forget() -> None:
    """Hashes of the suite itself, or of a copy."""
    job_identity._harness.cache_clear()
    job_identity._method.cache_clear()


def _first_statement(text: str, name: str) -> ast.stmt:
    """The first statement of a function after its docstring."""
    body: list[ast.stmt] = ast.parse(text).body
    for part in name.split("."):
        body = next(item.body for item in body if getattr(item, "name", None) == part)
    first = body[0]
    spoken = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1] if spoken else first
