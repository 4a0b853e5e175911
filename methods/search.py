"""What a method's field may be set to in tuning: markers in its type, read by the tuner."""

from dataclasses import dataclass, fields
from typing import Annotated, get_type_hints

from pydantic import Field


@dataclass(frozen=True)
class Search:
    """A number from `low` to `high`; with `log` equal factors are equally likely."""

    low: float
    high: float
    log: bool = False

    def contains(self, value: float) -> bool:
        """Whether a search could come to this value."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of these values."""

    values: tuple[str | bool, ...]

    def contains(self, value: object) -> bool:
        """Whether a search could come to this value."""
        return value in self.values


Space = dict[str, Search | Choice]
"""What each field may be, by name; fields that aren't here keep their configured value."""

Damping = Annotated[float, Field(gt=0, allow_inf_nan=False), Search(1e-8, 1e2, log=True)]
"""A finite number above zero, of any order of magnitude."""

UpdateScale = Annotated[float, Field(ge=0, allow_inf_nan=False), Search(0.0, 1.5)]
"""How much of the survivors' move is made: 0 none, 1 all; zero allowed."""


def space(method: type) -> Space:
    """The search space that a method's fields declare, in their order.

    `samples`, `batch` and `recomputations` are budget, so no method declares them.
    """
    types = get_type_hints(method, include_extras=True)
    found: Space = {}
    for field in fields(method):
        for marker in getattr(types[field.name], "__metadata__", ()):
            if isinstance(marker, Search | Choice):
                found[field.name] = marker
    return found
