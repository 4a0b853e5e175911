"""Finds where an import leads: to a file of the suite or the user, or to another package."""

import functools
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

from bench.fingerprint.source import ROOT, SUITE, File, foreign


class Foreign(NamedTuple):
    """A module of Python, of an installed package, or one that can't be found."""

    name: str


class Folder(NamedTuple):
    """A package without an `__init__.py`."""

    path: Path
    search: tuple[Path, ...] = ()


Place = File | Folder | Foreign
"""Where an import may lead."""


def beside(name: str, search: Sequence[Path], importer: Path) -> ModuleSpec | None:
    """Return the module of this name in one of the folders, for an import in the file `importer`.

    None if the import means something else: one of the suite's packages, or an installed package
    while in the folders only the importer itself or a folder without code of its own has the name.
    """
    if name in SUITE:
        return None
    weak = None
    for folder in search:
        spec = PathFinder.find_spec(name, [str(folder)])
        if spec is not None and spec.origin is not None and Path(spec.origin) != importer:
            return spec
        weak = weak or spec
    return weak if weak is not None and _installed_spec(name) is None else None


def place(module: str, level: int, file: File) -> Place | None:
    """Return where the module lies that the file imports; `level` counts the leading dots.

    None if a file of the suite or the user should be there and isn't.
    """
    found: Place | None
    first, *rest = module.split(".")
    if level:
        folders = file.path.parents[level - 1 : level]
        found = _package(folders[0], file.search) if folders else None
        rest = [first, *rest] if module else []
    elif first in SUITE:
        found = _package(ROOT / first, ())
    elif (spec := beside(first, file.search, file.path)) is not None:
        found = _of(spec, file.search)
    else:
        found = _installed(first)
    for name in rest:
        found = None if found is None else inside(found, name)
    return found


def inside(package: Place, name: str) -> Place | None:
    """Return the module of this name in the package, or None if there is none."""
    if isinstance(package, Foreign):
        return Foreign(f"{package.name}.{name}")
    if isinstance(package, File) and package.path.name != "__init__.py":
        return None
    folder = package.path.parent if isinstance(package, File) else package.path
    spec = PathFinder.find_spec(name, [str(folder)])
    return None if spec is None else _of(spec, package.search)


def _package(folder: Path, search: tuple[Path, ...]) -> Place:
    init = folder / "__init__.py"
    return File(init, search) if init.is_file() else Folder(folder, search)


def _of(spec: ModuleSpec, search: tuple[Path, ...]) -> File | Folder | None:
    if spec.origin is not None:
        return File(Path(spec.origin).resolve(), search)
    folders = list(spec.submodule_search_locations or ())
    return Folder(Path(folders[0]).resolve(), search) if folders else None


@functools.cache
def _installed(name: str) -> Place:
    """Return the module that Python itself finds; the user's own code may be installed too."""
    spec = _installed_spec(name)
    if spec is None or spec.origin in ("built-in", "frozen"):
        return Foreign(name)
    found = _of(spec, ())
    if found is None or foreign(found.path):
        return Foreign(name)
    return found


def _installed_spec(name: str) -> ModuleSpec | None:
    if name in sys.stdlib_module_names:
        return ModuleSpec(name, None, origin="built-in")
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a module without a spec, such as __main__
        return None
