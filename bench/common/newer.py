"""Reads data that a newer version of the suite wrote, without the fields that this one lacks."""

import copy
import logging
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]
"""The path to an entry of nested dicts and lists."""


def known_part(model: type[Model], data: dict[str, Any]) -> tuple[Model, list[str]]:
    """Return the data without fields that the model doesn't know, and the names of those fields.

    The name of a field inside another is `outer.inner`. Raises `ValidationError` for anything else
    that is wrong, such as a value of another type.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        places = [item["loc"] for item in error.errors() if item["type"] == "extra_forbidden"]
        if not places:
            raise
    rest = copy.deepcopy(data)
    for place in places:
        _remove(rest, place)
    names = (".".join(part for part in place if isinstance(part, str)) for place in places)
    return model.model_validate(rest), list(dict.fromkeys(names))


def say_once(what: str, names: Iterable[str], said: set[str], level: int = logging.WARNING) -> None:
    """Log the names of unknown fields that aren't in `said` yet, and add them.

    `what` is like `X was`.
    """
    fresh = [name for name in dict.fromkeys(names) if name not in said]
    said.update(fresh)
    if fresh:
        listed = ", ".join(fresh)
        log.log(
            level,
            "%s written by a newer version, with fields that this one doesn't know: %s",
            *(what, listed),
        )


def _remove(data: Any, place: Place) -> None:
    """Delete the entry at a place of nested dicts and lists."""
    *way, last = place
    for part in way:
        data = data[part] if _has(data, part) else data
    del data[last]


def _has(data: Any, part: int | str) -> bool:
    """Return whether the data have this part of a place.

    The place of an error also has the name of a type if a field may have several, which the data
    don't have.
    """
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data
