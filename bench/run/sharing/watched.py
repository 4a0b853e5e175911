"""A copy of a method that notes which of its fields are read."""

import dataclasses
from contextlib import suppress
from typing import Any

from bench.problem.contents import slots_of
from methods.method import Method


class Watched:
    """`method` is a copy of the given one; `read` are the names of its fields read since.

    The copy is of a subclass of the method's own class, with the same name. Whoever asks for all
    attributes at once (`vars`) counts as having read every field.
    """

    def __init__(self, method: Method) -> None:
        self.read: set[str] = set()
        read, kind = self.read, type(method)
        names = {field.name for field in dataclasses.fields(method)}

        def noted(copied: Method, name: str) -> Any:
            if name in names:
                read.add(name)
            elif name == "__dict__":
                read.update(names)
            return kind.__getattribute__(copied, name)

        same = {"__qualname__": kind.__qualname__, "__module__": kind.__module__}
        subclass = type(kind.__name__, (kind,), {**same, "__getattribute__": noted})
        self.method: Any = object.__new__(subclass)
        for name, value in _attributes(method).items():
            object.__setattr__(self.method, name, value)
        self._before = _attributes(self.method)

    @property
    def changed(self) -> bool:
        """Whether the method has stored something in itself, which a copy wouldn't have."""
        now = _attributes(self.method)
        return now.keys() != self._before.keys() or any(
            value is not self._before[name] for name, value in now.items()
        )


def _attributes(method: Method) -> dict[str, Any]:
    """Return all attributes of an instance, unnoticed."""
    found = dict(object.__getattribute__(method, "__dict__"))
    for name in slots_of(type(method)):
        with suppress(AttributeError):  # of a slot that was never filled
            found[name] = object.__getattribute__(method, name)
    return found
