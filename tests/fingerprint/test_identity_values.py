"""Values that a plugin makes are told apart by what they hold; and what was recorded stays current.

The values are not spelt out in code that is compared, so that only what they hold tells them apart.
"""

import dataclasses
import hashlib
from typing import Any

import pytest
import torch
from support.user_folders import imported, written

from bench.fingerprint import Target, closure, describe, structure, target_of
from bench.fingerprint.source import File
from bench.jobs.job import canonical_json
from bench.jobs.recipe import Recipe
from bench.pairs.checkpoint import SuppliedWeights
from bench.pairs.pair import Pair
from bench.pairs.preparing.identity import pair_sha256, training_sha256
from bench.study.user_code import import_file

TEXT = """
import argparse
import enum
import functools
import logging
import re
import types
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel

class Slots:
    __slots__ = ("a", "b")
    def __init__(self, a):
        self.a = a
    def method(self):
        return self.a

class Half(Slots):
    __slots__ = ("c",)
    def __init__(self, a, c):
        super().__init__(a)
        self.c = c

class Plain:
    def __init__(self, a):
        self.a = a
    def __call__(self):
        return self.a

@dataclass
class Data:
    a: object

class Model(BaseModel):
    a: int

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

def kind(number):
    return type("Kind", (), {"number": number})

def getter(number):
    return property(lambda self: number)

def settable(number):
    return property(lambda self: 0, lambda self, value: number)

def function(number):
    def inner(x):
        return x + number
    return inner

def default(number):
    def inner(x=number):
        return x
    return inner

def keyword(number):
    def inner(*, x=number):
        return x
    return inner

def attribute(number):
    def inner(x):
        return x
    inner.number = number
    return inner

def unbound(number):
    def inner(x):
        return later
    if number:
        later = number
    return inner

def cached(number):
    return functools.cache(function(number))

def drawn(seed):
    generator = torch.Generator().manual_seed(seed)
    torch.rand(3, generator=generator)
    return generator

def deep(depth, value):
    return value if depth == 0 else [deep(depth - 1, value)]

def inside_itself(value):
    found = [value]
    found.append(found)
    return found

def typed(code):
    found = {"__name__": "nowhere"}
    exec(f"def f(x):\\n    return {code}", found)
    return found["f"]

DIFFERENT = {
    "typed in": list(map(typed, ["x + 1", "x + 2", "x - 1", "x.real", "x.imag", "y",
        "(lambda: x + 1)", "(lambda: x + 2)"])),
    "types": [1, 1.0, 1j, True, "1", b"1", None, ..., range(1), slice(1)],
    "numbers": [0.1, 0.2, 0.30000000000000004, 0.3],
    "sequences": [[1, 2], [2, 1], (1, 2), [1], []],
    "sets": [{1, 2}, {1, 3}, set()],
    "dicts": [{"a": 1}, {"a": 2}, {"b": 1}, {}],
    "patterns": [re.compile("a"), re.compile("b"), re.compile("a", re.DOTALL)],
    "enumerations": [Colour.RED, Colour.BLUE],
    "of torch": [torch.float32, torch.float64, torch.device("cpu"), torch.device("meta"),
        torch.strided, torch.sparse_coo, torch.channels_last, torch.contiguous_format],
    "tensors": [torch.zeros(2), torch.ones(2), torch.zeros(2, 1), torch.zeros(2).double(),
        torch.zeros(0), torch.zeros(0, 1), torch.tensor(0.0), torch.tensor(-0.0)],
    "layouts": [torch.arange(4).view(2, 2), torch.arange(4).view(2, 2).T],
    "arrays": [np.zeros(2), np.ones(2), np.zeros(3)],
    "without values": [torch.zeros(2, device="meta"), torch.zeros(3, device="meta")],
    "lazy": [torch.nn.UninitializedParameter(), torch.nn.UninitializedBuffer()],
    "texts": ["a", "b", "a.json"],
    "paths": [Path("a"), Path("b"), Path("/place/a.json"), Path("/place/b.json"), Path("/place")],
    "absolute": ["/place/a.json", "/place/b.json"],
    "partial": [functools.partial(max, 1), functools.partial(min, 1), functools.partial(max, 2),
        functools.partial(max, default=1), functools.partial(max, default=2)],
    "generators": [drawn(1), drawn(2)],
    "namespaces": [argparse.Namespace(a=1), argparse.Namespace(a=2), types.SimpleNamespace(b=1)],
    "slots": [Slots(1), Slots(2)],
    "inherited slots": [Half(1, 2), Half(1, 3), Half(2, 2)],
    "objects": [Plain(1), Plain(2), Slots(1)],
    "dataclasses": [Data(1), Data(2), Data([Data(1)])],
    "models": [Model(a=1), Model(a=2)],
    "classes": [Plain, Slots, int, float],
    "made classes": [kind(1), kind(2)],
    "methods": [Slots(1).method, Slots(2).method, Slots.method],
    "closures": [function(1), function(2)],
    "not bound": [unbound(0), unbound(1)],
    "lambdas": [
        lambda x: x + 1,
        lambda x: x + 2,
        lambda x: x * 2,
    ],
    "defaults": [default(1), default(2)],
    "keywords": [keyword(1), keyword(2)],
    "attributes": [attribute(1), attribute(2)],
    "cached": [cached(1), cached(2)],
    "getters": [getter(1), getter(2)],
    "setters": [settable(1), settable(2)],
    "static": [staticmethod(function(1)), staticmethod(function(2))],
    "of Python": [max, min, Fraction(1, 2), Fraction(1, 3)],
    "modules": [re, enum],
    "depths": [deep(20, 1), deep(20, 2), deep(21, 1)],
    "in itself": [inside_itself(1), inside_itself(2)],
}
SAME = {
    "typed in": [typed("(lambda: x + 1)"), typed("(lambda: x + 1)")],
    "sets": [{"a", "b", "c"}, {"c", "b", "a"}, frozenset("bac")],
    "dicts": [{"a": 1, "b": 2}, {"b": 2, "a": 1}, types.MappingProxyType({"a": 1, "b": 2})],
    "tensors": [torch.arange(4.0), torch.arange(8.0)[:4], torch.arange(4.0).requires_grad_(),
        torch.stack([torch.arange(4.0)] * 2, 1)[:, 0]],
    "arrays": [np.arange(3), torch.arange(3)],
    "folders": [Path("/one"), Path("/another/folder")],
    "files": [Path("/one/a.json"), Path("/another/a.json")],
    "places as texts": ["/one/a.json", "/another/a.json"],
    "loggers": [logging.getLogger("a"), logging.getLogger("b")],
    "addresses": [object(), object()],
    "generators": [drawn(1), torch.Generator().manual_seed(1)],
    "closures": [function(1), function(1)],
    "objects": [Half(1, 2), Half(1, 2)],
    "too deep": [deep(40, 1), deep(40, 2)],
}
"""


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    return imported(tmp_path_factory.mktemp("values"), {"plugin.py": TEXT})


def described(value: object) -> str:
    return canonical_json(describe(value))


def test_values_that_differ_are_told_apart(values) -> None:
    for what, several in values.DIFFERENT.items():
        found = [described(value) for value in several]
        assert len(set(found)) == len(found), what
        assert found == [described(value) for value in several], what


def test_values_that_give_the_same_results_are_one(values) -> None:
    for what, several in values.SAME.items():
        assert len({described(value) for value in several}) == 1, what


def test_a_buffer_counts_with_its_values_where_no_checkpoint_holds_it() -> None:
    def model(value: float, held: bool) -> torch.nn.Module:
        net = torch.nn.Linear(2, 2)
        net.register_buffer("scale", torch.tensor([value]), persistent=held)
        net.register_buffer("absent", None)
        return net

    def shown(net: torch.nn.Module, **options: bool) -> str:
        return canonical_json(structure(net, **options))

    assert shown(model(1.0, True)) == shown(model(2.0, True)) != shown(model(1.0, False))
    assert shown(model(1.0, False)) != shown(model(2.0, False))
    one, other = model(1.0, True), model(2.0, True)
    other.load_state_dict(one.state_dict() | {"scale": torch.tensor([2.0])})
    assert shown(one, every_value=True) != shown(other, every_value=True)
    assert shown(one, every_value=True) == shown(one, every_value=True)


def test_what_a_model_is_beside_its_weights_counts() -> None:
    def model() -> torch.nn.Sequential:
        return torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 3))

    def tied(net: torch.nn.Sequential) -> None:
        net[2].weight = net[0].weight

    def frozen(net: torch.nn.Sequential) -> None:
        net[0].weight.requires_grad_(False)

    def hooked(net: torch.nn.Sequential) -> None:
        net[1].register_forward_pre_hook(lambda module, given: None)

    def unbiased(net: torch.nn.Sequential) -> None:
        net[0].bias = None

    def leaky(net: torch.nn.Sequential) -> None:
        net[1] = torch.nn.LeakyReLU()

    def doubled(net: torch.nn.Sequential) -> None:
        net.double()

    shown = {canonical_json(structure(model()))}
    changes = (tied, frozen, hooked, unbiased, leaky, doubled)
    for change in changes:
        net = model()
        change(net)
        shown.add(canonical_json(structure(net)))
    assert len(shown) == 1 + len(changes)


PLAIN = """
import functools
import math
from dataclasses import dataclass, field

import parts.inner as inner
from parts import *
try:
    from first import scale
except ImportError:
    from second import scale
if math.pi > 3:
    from second import other

HALF, THIRD = 0.5, 1 / 3
NAMES = {"a": [1, None], **{}}

def decorated(function):
    @functools.wraps(function)
    def changed(*arguments, limit=HALF, **more):
        nonlocal_ = limit
        def deeper():
            nonlocal nonlocal_
            nonlocal_ += 1
            return nonlocal_
        return function(*arguments, **more) * deeper()
    return changed

@dataclass
class Base:
    power: float = 2.0
    names: list = field(default_factory=list)

    async def later(self):
        async with self as one:
            return await one

class Own(Base):
    @property
    def strength(self):
        return scale(self.power) + other(inner.DEEP) - starred(math.sqrt(2))

    @decorated
    def scores(self, weights: "dict", *rest, key=None) -> dict:
        global COUNT
        COUNT = 1
        from second import late
        if not weights:
            raise ValueError(f"nothing in {weights}", late(1))
        assert weights, "words"
        print("words", len(weights))
        found = {n: w for n, w in weights.items() if w is not None and -w < 1 <= w}
        while (step := len(found)) > 3:
            del found["a"]
            continue
        else:
            found["b"] = lambda x, /, y=THIRD: (x @ y)[1:, ...]
        match step:
            case [1, *_] | {"a": 2}:
                pass
            case Base(power=3) as one if one:
                return
        for _ in range(3):
            break
        with open("x") as file, file:
            yield from (x async for x in file)
        return [*found, *{s for s in rest}, key or (1, 2.5, 3j, b"x", True, "text"), self.strength]
"""
PARTS = {
    "plugin.py": PLAIN,
    "first.py": "def scale(power):\n    return power * 2\n",
    "second.py": (
        "from first import scale as first\n\ndef scale(power):\n    return first(power) / 2\n\n"
        "def other(x):\n    return other(x - 1) if x else even(x)\n\n"
        "def even(x):\n    return other(x) ** 2\n\ndef late(x):\n    return ~x\n"
    ),
    "parts/__init__.py": "from parts.inner import *\n",
    "parts/inner.py": "DEEP = 3\nDEEP += 1\n\ndef starred(x):\n    return x // DEEP % 7\n",
    "alone.py": "x = abs(x)\n",
    "fast.so": "no code that could be read",
}
RECORDED = {
    "code": "def52ff209a3b68a",
    "compiled": "6e21752c99ef4283",
    "alone": "7268b53d8be40686",
    "values": "ba18b454919724c9",
    "pair": "7fc6818108510d9e",
    "training": "5f9a1988dd3de7d1",
    "published": "cb2253f6578cecf7",
}
"""Hashes of today, to be changed only where records of before must become stale."""


def test_records_of_before_stay_current(tmp_path, values) -> None:
    folder = written(tmp_path, PARTS)
    plugin = import_file(folder / "plugin.py")
    target = target_of(plugin.Own)
    assert target is not None
    fast = Target(File(folder / "fast.so"), "run")
    recipe = Recipe(epochs=1, learning_rate=0.1)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    model.register_buffer("scale", torch.ones(2), persistent=False)
    # In place of a normalisation, with which code of the suite would be in the hash.
    numbers: Any = (0.5, 0.25)
    pair = Pair("own", torch.nn.Sequential, "no data", numbers, ".*weight", recipe)
    supplied = dataclasses.replace(pair, dense=SuppliedWeights("own.safetensors", "a test"))
    known = values.DIFFERENT.keys() - {"lazy", "models", "typed in"}
    texts = [described(value) for kind in sorted(known) for value in values.DIFFERENT[kind]]
    found = {
        "code": closure((target,)).sha256,
        "compiled": closure((fast,)).sha256,
        "alone": closure((Target(File(folder / "alone.py"), "x"),)).sha256,
        "values": hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        "pair": pair_sha256(pair, model),
        "training": training_sha256(pair, model, "data", "code"),
        "published": pair_sha256(supplied, model),
    }
    assert {name: value[:16] for name, value in found.items()} == RECORDED
