"""The code behind a function or class that is at hand as an object."""

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
    """A line that stands for all code that the function, class or module depends on.

    That of an installed package is its name and version, and what was typed in is its bytecode.
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
    """The definitions of a class and of those that it inherits from, in their order."""
    found = (target_of(base) for base in kind.__mro__)
    return tuple(target for target in found if target is not None)


def target_of(code: Any) -> Target | None:
    """The definition of a function, class or module in a file of the suite or the user; or None."""
    module: types.ModuleType | None = None
    if isinstance(code, types.ModuleType):
        module, name = code, VALUE
    elif isinstance(code, types.FunctionType):
        # Where it was written, not where `functools.wraps` says.
        module = sys.modules.get(str(code.__globals__.get("__name__")))
        name = code.__code__.co_qualname.partition(".")[0]
        if name == LAMBDA:
            name = f"{LAMBDA}:{code.__code__.co_firstlineno}"
    else:
        module = sys.modules.get(getattr(code, "__module__", None) or "")
        name = getattr(code, "__qualname__", "").partition(".")[0]
    file = None if module is None else file_of(module)
    if file is None and isinstance(code, types.FunctionType) and hasattr(code, "__wrapped__"):
        return target_of(code.__wrapped__)  # decorated by somebody else's code, as torch.no_grad
    return None if file is None else Target(file, name)


def outside_of(*code: Any) -> Outside:
    """These modules, functions, classes and members of classes, as what no result depends on."""
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
    """The module's file if it is the suite's or the user's."""
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
