"""Markers in the type of a method's field that say what tuning may set it to."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError


@dataclass(frozen=True)
class Search:
    """A number from `low` to `high`, both included.

    With `log` it is sampled on a logarithmic scale. For a field that holds integers only it means
    the integers of this range.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Raises `ValueError` for an empty range, or a logarithmic one that reaches zero."""
        if not all(map(_is_number, (self.low, self.high))) or self.low > self.high:
            raise ValueError(f"a search goes from a number to a larger one, not as {self}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic search starts above zero, not as {self}")

    def contains(self, value: object) -> bool:
        """Return whether a search could propose this value."""
        return _is_number(value) and self.low <= value <= self.high  # type: ignore[operator]


@dataclass(frozen=True)
class Whole(Search):
    """An integer from `low` to `high`, both included."""

    low: int
    high: int

    def contains(self, value: object) -> bool:
        """Return whether a search could propose this value."""
        return isinstance(value, int) and super().contains(value)


@dataclass(frozen=True)
class Choice:
    """One of these values, which are all different."""

    values: tuple[str | bool | int | float | None, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for values that are equal or can't be written into a record."""
        plain = [v for v in self.values if v is None or isinstance(v, str | bool) or _is_number(v)]
        if not plain or len(plain) < len(self.values) or len(set(plain)) < len(plain):
            raise ValueError(
                f"a choice is among different texts, numbers, truth values or None, not as {self}"
            )

    def contains(self, value: object) -> bool:
        """Return whether a search could propose this value."""
        return any(value == one and type(value) is type(one) for one in self.values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


Space = dict[str, Search | Choice]
"""What tuning may set each field to, by field name; fields that aren't here keep their value."""

Damping = Annotated[float, Field(gt=0, allow_inf_nan=False), Search(1e-8, 1e2, log=True)]
"""A finite number above zero; tuning searches ten orders of magnitude."""

UpdateScale = Annotated[float, Field(ge=0, allow_inf_nan=False), Search(0.0, 1.5)]
"""The factor by which the survivors' move is multiplied: 0 makes no move, 1 the full one."""


def space(method: type) -> Space:
    """Return the search space that a method's fields declare, in their order.

    `samples`, `batch` and `recomputations` are part of the budget, so no method declares them.
    """
    types = get_type_hints(method, include_extras=True)
    found: Space = {}
    for field in fields(method):
        for part in _parts(types[field.name]):
            if isinstance(part, Search | Choice):
                found[field.name] = part
    return found


def fitted(method: type, declared: Space) -> Space:
    """Return the space with integer ranges (`Whole`) for the fields that hold integers only.

    Raises `ValueError` for a field that the method doesn't have, for a `Search` on a field that
    holds no numbers, and where the field's type refuses an end of its range or one of its choices.
    """
    types = get_type_hints(method, include_extras=True)
    found: Space = {}
    for name, what in declared.items():
        if name not in types:
            raise ValueError(f"there is no field {name!r}")
        own = _whole(name, what, types[name]) if isinstance(what, Search) else what
        for value in own.values if isinstance(own, Choice) else (own.low, own.high):
            try:
                TypeAdapter(types[name]).validate_python(value, strict=True)
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                raise ValueError(
                    f"the field {name!r} may be set to {value!r} in a search, but its type says: "
                    f"{reason}"
                ) from error
        found[name] = own
    return found


def _whole(name: str, search: Search, hint: Any) -> Search:
    """Return the search itself, or where the type has integers only that of its integers."""
    kinds = [part for part in _parts(hint) if isinstance(part, type)]
    if float in kinds:
        return search
    if not any(issubclass(kind, int) and kind is not bool for kind in kinds):
        raise ValueError(f"the field {name!r} holds no numbers: it takes a Choice, not a Search")
    low, high = math.ceil(search.low), math.floor(search.high)
    if low > high:
        raise ValueError(f"the field {name!r} is searched where there is no whole number: {search}")
    return Whole(low, high, search.log)


def _parts(hint: Any) -> Iterator[Any]:
    """Iterate over the classes and markers that a type is made of, through aliases and unions."""
    if alias := getattr(hint, "__value__", None) or getattr(hint, "__supertype__", None):
        yield from _parts(alias)
    elif get_origin(hint) is Annotated:
        yield from _parts(hint.__origin__)
        yield from hint.__metadata__
    elif get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _parts(part)
    elif get_origin(hint) is Literal:
        yield from map(type, get_args(hint))
    else:
        yield hint
