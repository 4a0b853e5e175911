"""The versions of installed packages that the user's code comes from or imports."""

import functools
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, version

RECORDED = {"torch", "torchvision", "numpy"}
"""Packages whose versions are in the record's environment and therefore don't make it stale."""

SAYING = {"loguru", "matplotlib", "pydantic", "rich", "tqdm", "typing_extensions"}
"""Packages that only check, show and log, and compute no numbers."""


def versions(packages: Iterable[str]) -> list[str]:
    """Return a line `name version` for each of the packages; none for Python's own modules."""
    known = RECORDED | SAYING | sys.stdlib_module_names
    return [f"{name} {_version(name)}" for name in sorted(set(packages) - known)]


@functools.cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        names = sorted(set(_distributions().get(package, [])))
        return " ".join(f"{name} {version(name)}" for name in names) or "unknown"


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
