"""Registers the user's own methods, pairs and datasets, from files named in --plugin or a study."""

from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.common.errors import UserError
from bench.common.names import file_fault, label_fault
from bench.pairs import PAIRS
from bench.pairs.pair import Pair
from bench.study.user_code import import_file
from datasets import DATASETS, AnyDefinition
from methods import METHODS
from methods.method import Method

_LOADED: set[Path] = set()
"""The plug-in files that this process has imported."""


def load_plugin(path: Path) -> list[str]:
    """Import the file, register its `METHODS`, `PAIRS` and `DATASETS`, and return the names.

    Each is a dict by name: of classes, of `Pair` objects, of `Definition`, `FolderDefinition`
    or `TensorDefinition` objects. The file's code runs with the user's rights. Raises `UserError`
    if it doesn't import, registers nothing, or uses a name that exists already.
    """
    module = _imported(path)
    methods = getattr(module, "METHODS", {})
    pairs = getattr(module, "PAIRS", {})
    data = getattr(module, "DATASETS", {})
    if not (methods or pairs or data):
        raise UserError(
            f"The plugin {path} registers nothing: define METHODS = {{'name': YourMethod}} in it."
        )
    _register("method", path, methods, METHODS, _is_method)
    _register("pair", path, pairs, PAIRS, lambda value: isinstance(value, Pair))
    _register(
        "dataset",
        path,
        data,
        DATASETS,
        lambda value: isinstance(value, AnyDefinition),
    )
    return [*methods, *pairs, *data]


def _is_method(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Method) and is_dataclass(value)


def _fault(name: object, value: object) -> str:
    """Return what is wrong with a name, or nothing; names of pairs and datasets must suit files."""
    if isinstance(value, Pair | AnyDefinition):
        return _first_fault((name, value.name), file_fault)
    return _first_fault((name,), label_fault)


def _first_fault(names: tuple[object, ...], check: Callable[[str], str]) -> str:
    for name in names:
        if fault := check(name) if isinstance(name, str) else "is no text":
            return f"{name!r} {fault}"
    return ""


def _imported(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"There is no plugin file {path}.")
    if path.resolve() in _LOADED:
        raise UserError(f"The plugin {path} is named twice.")
    if path.suffix != ".py":
        raise UserError(f"The plugin {path} is no Python file: its name must end with .py.")
    try:
        module = import_file(path)
    except Exception as error:
        raise UserError(
            f"The plugin {path} doesn't import: {type(error).__name__}: {error}."
        ) from error
    _LOADED.add(path.resolve())
    return module


def _register(
    kind: str, path: Path, found: object, registry: dict[str, Any], expected: Callable[[Any], bool]
) -> None:
    """Add the plug-in's entries to the registry, all of them or none."""
    if not isinstance(found, dict):
        raise UserError(f"{kind.upper()}S of the plugin {path} must be a dict of names.")
    for name, value in found.items():
        if name in registry:
            raise UserError(
                f"The plugin {path} registers the {kind} {name!r}, which exists already: choose "
                "another name."
            )
        if not expected(value):
            raise UserError(f"The plugin {path} registers {name!r}, which is no {kind}: {value!r}.")
        if fault := _fault(name, value):
            raise UserError(
                f"The plugin {path} registers a {kind} whose name {fault}: choose another."
            )
    registry.update(found)
