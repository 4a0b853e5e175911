"""What a Python object holds, so that it can be kept for another job without a risk.

An estimate of curvature may be any object. It can serve another job only if everything inside of it
is known: tensors, whose bytes and later in-place writes are counted, and plain values.
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)
"""Types of values that nobody can change."""

BEHAVIOUR = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.GeneratorType,
    types.ModuleType,
)
"""Types of objects that do something: what they would do in another job isn't known."""


class OfOneJob:
    """A base class of what belongs to one job, such as its meter: nothing that holds it is kept."""


class Unknown(Exception):
    """Raised for an object whose contents can't be told completely."""


@dataclass
class Contents:
    """All tensors inside an object, and a description of everything else in it."""

    tensors: list[Tensor]
    description: tuple[object, ...]

    @property
    def storages(self) -> dict[int, int]:
        """The bytes of each piece of memory that the tensors lie in, by its address."""
        found = (tensor.untyped_storage() for tensor in self.tensors)
        return {storage.data_ptr(): storage.nbytes() for storage in found}


def contents(value: object) -> Contents | None:
    """Return what the object holds; None if not all of it can be known.

    Two calls for the same object have the same description unless something in it was changed in
    the meantime, in-place writes to its tensors included: PyTorch counts them (`_version`).
    """
    tensors: list[Tensor] = []
    try:
        description = tuple(_described(value, tensors, set()))
    except Unknown:
        return None
    return Contents(tensors, description)


def _described(value: Any, tensors: list[Tensor], above: set[int]) -> Iterator[object]:
    """Yield a description of the object part by part, and add its tensors to the list."""
    if isinstance(value, Tensor):
        if value.is_inference():  # writes to such a tensor aren't counted
            raise Unknown
        tensors.append(value)
        yield (id(value), value._version)
        return
    if type(value) in PLAIN:
        yield (type(value).__name__, value)
        return
    if id(value) in above or isinstance(value, (*BEHAVIOUR, type, OfOneJob)):
        raise Unknown
    yield (type(value), id(value))
    for name, part in _parts(value):
        yield name
        yield from _described(part, tensors, above | {id(value)})


def _parts(value: Any) -> Iterator[tuple[object, Any]]:
    """Yield the parts of a list, a tuple, a dict or an object of attributes, with their names."""
    kind = type(value)
    if kind in (list, tuple):
        yield from enumerate(value)
    elif kind is dict:
        for key, part in value.items():
            if type(key) not in PLAIN:
                raise Unknown
            yield key, part
    elif kind.__module__ in ("builtins", "functools") or callable(value):
        raise Unknown
    elif isinstance(value, (list, tuple, dict, set, frozenset)):
        raise Unknown  # a class of somebody's own, which may hold more than it shows
    else:
        yield from _attributes(value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield an object's attributes; raises `Unknown` for one that has none, such as an array."""
    slots = list(slots_of(type(value)))
    if not (hasattr(value, "__dict__") or slots):
        raise Unknown
    yield from getattr(value, "__dict__", {}).items()
    for name in slots:
        if hasattr(value, name):
            yield name, getattr(value, name)


def slots_of(kind: type) -> Iterator[str]:
    """Yield the names under which instances of a class hold what they have in slots.

    Python stores a private one, `__name`, under the name of its class too.
    """
    for base in kind.__mro__:
        names = base.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                yield f"_{base.__name__.lstrip('_')}{name}" if private else name
