"""A hash of all code that some definitions depend on, however it is spread over files."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.fingerprint.forms import EFFECTS, VALUE, Form, Target
from bench.fingerprint.modules import REGISTRIES, Module, module_of
from bench.fingerprint.own_code import OwnCode
from bench.fingerprint.source import File, content_sha256, of_the_suite, packages_around


@dataclass(frozen=True)
class Outside:
    """Code that no result depends on: whole files, and definitions or members of classes.

    The `registries` are outside too, unless the user's own code looks things up in them.
    """

    files: frozenset[Path] = frozenset()
    definitions: frozenset[tuple[Path, str]] = frozenset()
    registries: bool = True

    def __contains__(self, target: Target) -> bool:
        path, name = target.file.path, target.name
        if not of_the_suite(path):
            return False
        registered = self.registries and name in REGISTRIES
        return path in self.files or (path, name) in self.definitions or registered

    def __or__(self, other: "Outside") -> "Outside":
        return Outside(self.files | other.files, self.definitions | other.definitions)

    def members(self, target: Target) -> frozenset[str]:
        """Return the names of the members of the class `target` that are outside."""
        head = f"{target.name}."
        found = (name for path, name in self.definitions if path == target.file.path)
        return frozenset(name.removeprefix(head) for name in found if name.startswith(head))


NOTHING = Outside()
"""No code at all is outside."""


class Closure(NamedTuple):
    """The hash, and what it covers of the user's own: files and environment variables."""

    sha256: str
    files: frozenset[File]
    variables: frozenset[str]


@functools.cache
def closure(roots: tuple[Target, ...], outside: Outside = NOTHING) -> Closure:
    """Return the hash of all code that the roots depend on.

    In the suite's packages this is the definitions that are reached by name, and the statements
    that run when the files with these definitions are imported. The user's own files count as a
    whole, with all that they import, except for what only other entries of their METHODS and PAIRS
    use.
    """
    own = OwnCode(roots)
    if own.files:
        outside = dataclasses.replace(outside, registries=False)
    reached = _reached((*roots, *own.targets), outside)
    labels = _labels(reached, outside)
    parts = [_digest("root", *(_of(labels, root) for root in roots))]
    parts += sorted({labels[target] for target, form in reached.items() if form.text})
    parts += own.surroundings
    return Closure(_digest(*parts), frozenset(own.files), frozenset(own.variables))


def _reached(targets: Iterable[Target], outside: Outside) -> dict[Target, Form]:
    """Return the form of everything that the targets lead to."""
    reached: dict[Target, Form] = {}
    waiting = list(targets)
    while waiting:
        target = waiting.pop()
        if target in reached or target in outside:
            continue
        form = reached[target] = _form(target, outside)
        waiting += [filler for hole in form.holes for filler in hole]
        for file in {target.file, *form.passed}:
            around = [File(path, file.search) for path in packages_around(file.path)]
            waiting += [Target(one, EFFECTS) for one in (file, *around)]
    return reached


def _form(target: Target, outside: Outside) -> Form:
    module = module_of(target.file)
    if module.tree is None:
        content = content_sha256(target.file.path)
        return Form(content if target.name == EFFECTS else "compiled", (), frozenset())
    if target.name == VALUE:
        return Form("module", _everything(module), frozenset())
    return module.form(target.name, outside.members(target))


def _everything(module: Module) -> tuple[tuple[Target, ...], ...]:
    return (tuple(Target(module.file, name) for name in (*module.definitions, EFFECTS)),)


def _labels(reached: dict[Target, Form], outside: Outside) -> dict[Target, str]:
    """Return a hash for each target, made from its form and the hashes of what fills its holes.

    Definitions may refer to each other in circles. So all hashes are refined together, until no
    more of them can be told apart (Weisfeiler & Leman 1968).
    """
    labels = {target: _digest(form.text) for target, form in reached.items()}
    kinds = 0
    while len(set(labels.values())) > kinds:
        kinds = len(set(labels.values()))
        labels = {
            target: _digest(form.text, *(_filled(labels, hole) for hole in form.holes))
            for target, form in reached.items()
        }
    return labels


def _filled(labels: dict[Target, str], hole: tuple[Target, ...]) -> str:
    if len(hole) == 1:
        return _of(labels, hole[0])
    return _digest(*sorted(_of(labels, target) for target in hole))


def _of(labels: dict[Target, str], target: Target) -> str:
    """Return the target's hash; code that is outside is represented by its name."""
    return labels.get(target) or f"outside {target.name}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
