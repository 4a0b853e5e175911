"""Objects as data: what a result depends on of values that the user's code made."""

import dataclasses
import enum
import functools
import hashlib
import re
import types
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from bench.fingerprint.code_of import code_of, target_of
from bench.job import canonical_json

Described = Any
"""Texts, lists and dicts of texts: what `canonical_json` takes."""

Inner = Callable[[object], Described]
"""Describes what a value contains."""

_DEEP = 25
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(value: object, around: tuple[int, ...] = ()) -> Described:
    """The value without its place in memory; equal for all that gives the same results.

    Functions and classes are described by their code and by the values bound to them, tensors by
    their bits, paths by the file's name. What contains itself is named only, by its type.
    """
    if id(value) in around or len(around) > _DEEP:
        return type(value).__qualname__
    inner = functools.partial(describe, around=(*around, id(value)))
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(type(value)):
        return _object(value, inner)
    return _described(value, inner)


@functools.singledispatch
def _described(value: Any, inner: Inner) -> Described:
    return _callable(value, inner) if callable(value) else _object(value, inner)


@_described.register(bool | int | float | complex | str | bytes | range | slice | types.NoneType)
@_described.register(enum.Enum | re.Pattern | types.EllipsisType)
@_described.register(torch.dtype | torch.device | torch.layout | torch.memory_format)
def _(value: object, inner: Inner) -> Described:
    return repr(value)


@_described.register
def _(value: Path, inner: Inner) -> Described:
    return value.name


@_described.register(Tensor | np.ndarray)
def _(value: Tensor, inner: Inner) -> Described:
    return bits(torch.as_tensor(value))


@_described.register
def _(value: nn.Module, inner: Inner) -> Described:
    return structure(value, inner, every_value=True)


@_described.register
def _(value: Mapping, inner: Inner) -> Described:  # type: ignore[type-arg]
    return sorted(([inner(k), inner(v)] for k, v in value.items()), key=canonical_json)


@_described.register
def _(value: Set, inner: Inner) -> Described:  # type: ignore[type-arg]
    return sorted(map(inner, value), key=canonical_json)


@_described.register
def _(value: Sequence, inner: Inner) -> Described:  # type: ignore[type-arg]
    return [type(value).__name__, *map(inner, value)]


@_described.register
def _(value: functools.partial, inner: Inner) -> Described:  # type: ignore[type-arg]
    return ["partial", inner(value.func), inner(value.args), inner(value.keywords)]


@_described.register(type | types.ModuleType)
def _(value: type, inner: Inner) -> Described:
    return ["code", code_of(value)]


def bits(tensor: Tensor) -> Described:
    """Type, shape and the hash of the bits."""
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta or tensor.layout != torch.strided:
        return _shape(tensor)
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    whole = hashlib.sha256(plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    return [*_shape(tensor), whole.hexdigest()]


def _shape(tensor: Tensor) -> list[Described]:
    lazy = torch.nn.parameter.is_lazy(tensor)
    return [str(tensor.dtype), type(tensor).__name__ if lazy else list(tensor.shape)]


def _callable(value: Any, inner: Inner) -> Described:
    """A function with its defaults, closure and attributes; or an object that can be called."""
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
    """Its class and what it holds; an object of an installed package says itself what it is."""
    if isinstance(value, BaseModel):
        return ["object", code_of(type(value)), inner(dict(value))]
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return ["object", code_of(type(value)), inner({n: getattr(value, n) for n in names})]
    if target_of(type(value)) is None:
        return ["object", code_of(type(value)), _ADDRESS.sub("", repr(value))]
    slots = [name for base in type(value).__mro__ for name in getattr(base, "__slots__", ())]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return ["object", code_of(type(value)), inner(held | getattr(value, "__dict__", {}))]


_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def structure(
    model: nn.Module,
    inner: Inner = describe,
    every_value: bool = False,
) -> Described:
    """What a model is beside its weights: classes, attributes, names, shapes, types, what is tied.

    Values count of what a checkpoint doesn't hold, or all with `every_value`.
    """
    first: dict[int, str] = {}
    parts: list[Described] = []
    for place, module in model.named_modules():
        attributes = {n: v for n, v in vars(module).items() if n not in _OF_EVERY_MODULE}
        hooks = [list(vars(module)[name].values()) for name in _HOOKS]
        parts.append([place, code_of(type(module)), inner(attributes), inner(hooks)])
        for name, parameter in module._parameters.items():
            tied = first.setdefault(id(parameter), f"{place}.{name}")
            parts.append([place, name, tied, *_tensor(parameter, every_value)])
        for name, buffer in module._buffers.items():
            held = name not in module._non_persistent_buffers_set
            parts.append([place, name, held, *_tensor(buffer, every_value or not held)])
    return parts


_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def _tensor(tensor: Tensor | None, value: bool) -> list[Described]:
    if tensor is None:
        return ["None"]
    return [bits(tensor) if value else _shape(tensor), tensor.requires_grad]
