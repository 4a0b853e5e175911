"""Files of Python code: to whom they belong, and their text, which is read once per process."""

import functools
import hashlib
import sysconfig
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
"""The root folder of the checkout."""
SUITE = ("bench", "methods", "datasets")
"""The suite's own packages."""

_PACKAGES = {"site-packages", "dist-packages"}


class File(NamedTuple):
    """A file of code; `search` are the folders in which its imports are looked for first."""

    path: Path
    search: tuple[Path, ...] = ()


@functools.cache
def text(path: Path) -> bytes:
    """Return the file's content as it was when first read.

    So the text that is hashed is the one that was imported, even if the file is edited meanwhile.
    """
    return path.read_bytes()


def remember_suite() -> None:
    """Read all code of the suite while it still is what was imported.

    It may be edited during a run.
    """
    for package in SUITE:
        for path in (ROOT / package).rglob("*.py"):
            text(path)


@functools.cache
def content_sha256(path: Path) -> str:
    """Return the hash of a file that may be large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def of_the_suite(path: Path) -> bool:
    """Return whether the file belongs to one of the suite's packages."""
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in SUITE


@functools.cache
def foreign(path: Path) -> bool:
    """Return whether the file is Python's or an installed package's, identified by a version."""
    if of_the_suite(path):
        return False
    return bool(_PACKAGES & set(path.parts)) or any(map(path.is_relative_to, _standard_library()))


def packages_around(path: Path) -> list[Path]:
    """Return the `__init__.py` files that Python runs before this file, the innermost first."""
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    found = []
    while (init := folder / "__init__.py").is_file():
        found.append(init)
        folder = folder.parent
    return found


@functools.cache
def _standard_library() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
