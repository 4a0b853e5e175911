"""What an object holds is known completely, or it counts as unknown."""

import functools
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.problem.contents import OfOneJob, contents


@dataclass
class Made:
    tensor: Tensor
    parts: list = field(default_factory=list)
    scale: float = 1.0


class Slots:
    __slots__ = ("kept",)

    def __init__(self, kept) -> None:
        self.kept = kept


class OneSlot:
    __slots__ = "kept"  # noqa: PLC0205

    def __init__(self, kept) -> None:
        self.kept = kept


class PrivateSlot:
    __slots__ = ("__kept", "unfilled")

    def __init__(self, kept) -> None:
        self.__kept = kept


class Lazy:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @functools.cached_property
    def square(self) -> Tensor:
        return self.tensor.square()


class Job(OfOneJob):
    pass


def test_all_tensors_are_found_and_their_memory_counts_once() -> None:
    base = torch.zeros(10)
    value = Made(base[:4], [(base[4:], {"x": torch.zeros(2, dtype=torch.float64)}), Slots(base)])
    found = contents(value)
    assert len(found.tensors) == 4
    assert sum(found.storages.values()) == 40 + 16


CHANGES = {
    "a write to a tensor": lambda value: value.tensor.add_(1),
    "a write to a view of it": lambda value: value.tensor[:1].zero_(),
    "another tensor": lambda value: setattr(value, "tensor", value.tensor.clone()),
    "a number": lambda value: setattr(value, "scale", 2.0),
    "a longer list": lambda value: value.parts.append(1),
    "an item of a list": lambda value: value.parts.__setitem__(0, 3),
    "an item deep inside": lambda value: value.parts[1]["x"].append(0),
    "a new attribute": lambda value: setattr(value, "more", 1),
    "a slot": lambda value: setattr(value.parts[2], "kept", 5),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_shows(what) -> None:
    value = Made(torch.ones(3), [1, {"x": [1, 2]}, Slots(4)])
    before = contents(value).description
    assert contents(value).description == before
    CHANGES[what](value)
    assert contents(value).description != before


def test_what_is_computed_lazily_later_is_a_change() -> None:
    value = Lazy(torch.ones(3))
    before = contents(value).description
    assert len(value.square) == 3
    assert contents(value).description != before


def loop() -> list:
    found: list = []
    found.append(found)
    return found


UNKNOWN = {
    "a function": lambda: 1,
    "a method": [].append,
    "a partial function": functools.partial(max, 1),
    "a generator": (number for number in range(3)),
    "an iterator": iter([1]),
    "an array": np.zeros(3),
    "a random generator": torch.Generator(),
    "a model": nn.Linear(1, 1),
    "a set": {1, 2},
    "a class": int,
    "a loop": loop(),
    "what is of one job": Job(),
    "a file": open,
    "a subclass of a list": type("Own", (list,), {})([1]),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_cannot_be_told_is_unknown_however_deep(what) -> None:
    assert contents(UNKNOWN[what]) is None
    assert contents(Made(torch.ones(1), [{"x": (UNKNOWN[what],)}])) is None


def test_a_tensor_whose_writes_are_not_counted_is_unknown() -> None:
    with torch.inference_mode():
        assert contents([torch.ones(1)]) is None


@pytest.mark.parametrize("kind", [Slots, OneSlot, PrivateSlot])
def test_slots_of_every_spelling_are_part_of_what_an_object_holds(kind) -> None:
    state, tensor = [1.0], torch.ones(3)
    value = kind((state, tensor))
    before = contents(value)
    assert before is not None and before.tensors == [tensor]
    tensor.add_(1)
    written = contents(value).description
    assert written != before.description
    state[0] = 2.0
    assert contents(value).description != written
    assert contents(kind(lambda: 3)) is None
