"""Describes objects as data: what a result depends on of values that the user's code made."""

import argparse
import dataclasses
import enum
import functools
import hashlib
import logging
import re
import types
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from bench.fingerprint.code_of import code_of, target_of
from bench.fingerprint.source import of_the_suite
from bench.jobs.job import canonical_json

Described = Any
"""Texts, and lists and dicts of them, as `canonical_json` takes."""

Inner = Callable[[object], Described]
"""A function that describes what a value contains."""

_DEEP = 25
"""The nesting depth from which on values are described by their type only."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(value: object, around: tuple[int, ...] = ()) -> Described:
    """Describe the value without its place in memory; equal for all that gives the same results.

    Functions and classes are described by their code and by the values bound to them, tensors by
    their bits, absolute paths by the file's name. A value that contains itself is described by its
    type only.
    """
    if id(value) in around or len(around) > _DEEP:
        return type(value).__qualname__
    inner = functools.partial(describe, around=(*around, id(value)))
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(type(value)):
        return _object(value, inner)
    return described(value, inner)


@functools.singledispatch
def described(value: Any, inner: Inner) -> Described:
    """Describe the value; `inner` describes its contents.

    Other kinds of values may be registered.
    """
    return _callable(value, inner) if callable(value) else _object(value, inner)


@described.register(bool | int | float | complex | bytes | range | slice | types.NoneType)
@described.register(enum.Enum | re.Pattern | types.EllipsisType)
@described.register(torch.dtype | torch.device | torch.layout | torch.memory_format)
def _(value: object, inner: Inner) -> Described:
    return repr(value)


@described.register
def _(value: str, inner: Inner) -> Described:
    return repr(_without_place(Path(value)) if Path(value).is_absolute() else value)


@described.register
def _(value: Path, inner: Inner) -> Described:
    return _without_place(value) if value.is_absolute() else str(value)


def _without_place(path: Path) -> str:
    """Return a file's name; in which folder it is doesn't influence a result."""
    return path.name if path.suffix else "a folder"


@described.register
def _(value: logging.Logger, inner: Inner) -> Described:
    return "logger"


@described.register
def _(value: torch.Generator, inner: Inner) -> Described:
    return ["generator", value.initial_seed()]


@described.register(Tensor | np.ndarray)
def _(value: Tensor, inner: Inner) -> Described:
    return bits(torch.as_tensor(value))


@described.register
def _(value: Mapping, inner: Inner) -> Described:  # type: ignore[type-arg]
    return sorted(([inner(k), inner(v)] for k, v in value.items()), key=canonical_json)


@described.register
def _(value: Set, inner: Inner) -> Described:  # type: ignore[type-arg]
    return sorted(map(inner, value), key=canonical_json)


@described.register
def _(value: Sequence, inner: Inner) -> Described:  # type: ignore[type-arg]
    return [type(value).__name__, *map(inner, value)]


@described.register
def _(value: functools.partial, inner: Inner) -> Described:  # type: ignore[type-arg]
    return ["partial", inner(value.func), inner(value.args), inner(value.keywords)]


@described.register
def _(value: types.ModuleType, inner: Inner) -> Described:
    return ["code", code_of(value)]


@described.register
def _(value: type, inner: Inner) -> Described:
    return ["code", code_of(value), inner(bound_to_class(value))]


@described.register(staticmethod | classmethod)
def _(value: staticmethod, inner: Inner) -> Described:  # type: ignore[type-arg]
    return inner(value.__func__)


@described.register
def _(value: property, inner: Inner) -> Described:
    return [inner(value.fget), inner(value.fset)]


def bound_to_class(kind: type) -> dict[str, object]:
    """Return what the user's code may have bound to a class, inside a function or afterwards.

    Methods that Python generated, such as those of a dataclass, follow from the class and are left
    out.
    """
    found: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        target = target_of(base)
        if target is None or of_the_suite(target.file.path):
            continue
        for name, value in vars(base).items():
            special = name.startswith("__") and name.endswith("__")
            if (isinstance(value, _DATA) and not special) or isinstance(value, _CODE):
                found[name] = value
    return {name: value for name, value in found.items() if not _made_by_python(value)}


def _made_by_python(value: object) -> bool:
    if not isinstance(value, types.FunctionType):
        return False
    return target_of(value) is None or value.__code__.co_filename.startswith("<")


_CODE = (types.FunctionType, staticmethod, classmethod, property, functools.partial)
_DATA = (bool, int, float, complex, str, bytes, tuple, torch.dtype)


def bits(tensor: Tensor) -> Described:
    """Return the type, the shape and the hash of the bits."""
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta or tensor.layout != torch.strided:
        return shape(tensor)
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    whole = hashlib.sha256(plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    return [*shape(tensor), whole.hexdigest()]


def shape(tensor: Tensor) -> list[Described]:
    """Return the type and the shape; the shape of a lazy tensor isn't known."""
    lazy = torch.nn.parameter.is_lazy(tensor)
    return [str(tensor.dtype), type(tensor).__name__ if lazy else list(tensor.shape)]


def _callable(value: Any, inner: Inner) -> Described:
    """Describe a function with its defaults, closure and attributes, or a callable object."""
    if isinstance(value, types.MethodType):
        return ["method", inner(value.__func__), inner(value.__self__)]
    if isinstance(value, types.FunctionType):
        cells = dict(zip(value.__code__.co_freevars, value.__closure__ or (), strict=True))
        bound = (value.__defaults__, value.__kwdefaults__, vars(value))
        return ["function", code_of(value), *map(inner, bound), inner(_contents(cells))]
    if hasattr(value, "__wrapped__"):  # such as what `functools.cache` makes
        return ["wrapped", inner(value.__wrapped__)]
    if hasattr(value, "__qualname__"):
        return ["code", code_of(value)]
    return _object(value, inner)


def _contents(cells: Mapping[str, types.CellType]) -> dict[str, object]:
    found = {}
    for name, cell in cells.items():
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            found[name] = None
    return found


def _object(value: object, inner: Inner) -> Described:
    """Describe an object by its class and contents, one of an installed package by its `repr`."""
    if isinstance(value, BaseModel):
        return ["object", inner(type(value)), inner(dict(value))]
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return ["object", inner(type(value)), inner({n: getattr(value, n) for n in names})]
    if isinstance(value, argparse.Namespace | types.SimpleNamespace):
        return ["namespace", inner(vars(value))]
    if target_of(type(value)) is None:
        return ["object", inner(type(value)), _ADDRESS.sub("", repr(value))]
    slots = [name for base in type(value).__mro__ for name in getattr(base, "__slots__", ())]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return ["object", inner(type(value)), inner(held | getattr(value, "__dict__", {}))]
