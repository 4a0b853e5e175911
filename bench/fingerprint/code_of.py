"""Finds the code of a function, class or module that is given as an object."""

import hashlib
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.fingerprint.closure import NOTHING, Outside, closure
from bench.fingerprint.distributions import versions
from bench.fingerprint.forms import VALUE, Target
from bench.fingerprint.modules import LAMBDA
from bench.fingerprint.source import File, foreign


def code_of(code: Any, outside: Outside = NOTHING) -> str:
    """Return a line that identifies all code that the function, class or module depends on.

    For an installed package it is the name and version, for code typed into an interpreter the
    bytecode.
    """
    if isinstance(code, type):
        lines = sorted(_foreign(base) for base in code.__mro__ if target_of(base) is None)
        targets = targets_of(code)
        return "; ".join([*lines, closure(targets, outside).sha256] if targets else lines)
    target = target_of(code)
    if target is not None:
        return closure((target,), outside).sha256
    if isinstance(code, types.FunctionType) and not _package(code):
        return _bytecode(code.__code__)
    return _foreign(code)


def targets_of(kind: type) -> tuple[Target, ...]:
    """Return the definitions of a class and of those it inherits from, in their order."""
    found = (target_of(base) for base in kind.__mro__)
    return tuple(target for target in found if target is not None)


def target_of(code: Any) -> Target | None:
    """Return the definition of a function, class or module.

    None if no file of ours or the user's has it.
    """
    module: types.ModuleType | None = None
    if isinstance(code, types.ModuleType):
        module, name = code, VALUE
    elif isinstance(code, types.FunctionType):
        # The place where it was written, not that which `functools.wraps` reports.
        module = sys.modules.get(str(code.__globals__.get("__name__")))
        name = code.__code__.co_qualname.partition(".")[0]
        if name == LAMBDA:
            name = f"{LAMBDA}:{code.__code__.co_firstlineno}"
    else:
        module = sys.modules.get(getattr(code, "__module__", None) or "")
        name = getattr(code, "__qualname__", "").partition(".")[0]
    file = None if module is None else file_of(module)
    if file is None and isinstance(code, types.FunctionType) and hasattr(code, "__wrapped__"):
        return target_of(code.__wrapped__)  # decorated by other code, as torch.no_grad
    return None if file is None else Target(file, name)


def outside_of(*code: Any) -> Outside:
    """Return these modules, functions, classes and members of classes as an `Outside`."""
    files, definitions = set[Path](), set[tuple[Path, str]]()
    for one in code:
        target = target_of(one)
        assert target is not None, one
        if isinstance(one, types.ModuleType):
            files.add(target.file.path)
        else:
            definitions.add((target.file.path, one.__qualname__))
    return Outside(frozenset(files), frozenset(definitions))


def file_of(module: types.ModuleType) -> File | None:
    """Return the module's file if it belongs to the suite or the user, otherwise None."""
    path = Path(getattr(module, "__file__", None) or "").resolve()
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    search: tuple[Path, ...] = getattr(loader, "search", ())
    return File(path, search) if path.is_file() and (search or not foreign(path)) else None


def _foreign(code: Any) -> str:
    written = code.__code__.co_qualname if isinstance(code, types.FunctionType) else ""
    name = f"{_package(code) or 'builtins'}.{written or getattr(code, '__qualname__', '')}"
    return " ".join([name, *versions([name.partition(".")[0]])])


def _package(code: Any) -> str:
    if isinstance(code, types.FunctionType):
        module = code.__globals__.get("__name__")
    else:
        module = code.__name__ if isinstance(code, types.ModuleType) else code.__module__
    known = sys.modules.get(module or "")
    return str(module) if getattr(known, "__spec__", None) is not None else ""


def _bytecode(code: types.CodeType) -> str:
    whole = hashlib.sha256(code.co_code)
    for part in _parts(code):
        whole.update(part.encode())
    return whole.hexdigest()


def _parts(code: types.CodeType) -> Iterable[str]:
    yield from (*code.co_names, *code.co_varnames)
    for constant in code.co_consts:
        yield _bytecode(constant) if isinstance(constant, types.CodeType) else repr(constant)
