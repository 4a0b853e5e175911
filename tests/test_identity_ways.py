"""However a plugin makes its methods and models, an edit that changes a number is seen."""

import pytest
from suite_copies import Copy
from user_folders import edited, imported

from bench.budget import Budget
from bench.fingerprint import targets_of
from bench.job import Job
from bench.pair_identity import pair_sha256
from bench.run import source_of
from methods import METHODS
from methods.obd import OBD

pytestmark = pytest.mark.usefixtures("registries")

HEAD = """
import dataclasses
import functools
import torch
from dataclasses import dataclass
from bench.images import Normalisation
from bench.pairs import PAIRS as KNOWN
from bench.pairs import Pair
from bench.recipe import Recipe
from methods import METHODS as REGISTERED
from methods import build
from methods.magnitude import Magnitude
from methods.method import Method
from torch import nn
"""
WAYS = {
    "a class made in a function": (
        """
def make(power):
    @dataclass(frozen=True)
    class Own(Method):
        def scores(self, problem):
            return {n: w.abs() ** power for n, w in problem.weights.items()}
    return Own

METHODS = {"own": make(2.0)}
""",
        ("make(2.0)", "make(3.0)"),
    ),
    "a class made by type": (
        """
def scores(self, problem):
    return {n: w.abs() ** self.power for n, w in problem.weights.items()}

METHODS = {"own": dataclass(frozen=True)(type("Own", (Method,), {"power": 2.0, "scores": scores}))}
""",
        ("2.0", "3.0"),
    ),
    "a function put into a class later": (
        """
@dataclass(frozen=True)
class Own(Method):
    pass

def flipped(cls):
    cls.scores = lambda self, problem: {n: -w for n, w in problem.weights.items()}
    return cls

METHODS = {"own": flipped(Own)}
""",
        ("-w for", "w for"),
    ),
    "a method in place of another one": (
        """
def wrapped(cls, factor):
    scores = cls.scores
    def changed(self, problem):
        return {n: factor * s for n, s in scores(self, problem).items()}
    return dataclass(frozen=True)(type("Own", (cls,), {"scores": changed}))

METHODS = {"own": wrapped(Magnitude, -1)}
""",
        ("wrapped(Magnitude, -1)", "wrapped(Magnitude, 1)"),
    ),
    "a table of its own called METHODS": (
        """
METHODS = {"square": 2.0}

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: w.abs() ** METHODS["square"] for n, w in problem.weights.items()}

POWERS = METHODS
METHODS = {"own": Own}
""",
        ('"square": 2.0', '"square": 3.0'),
    ),
    "a global that a function looks up": (
        """
POWER = 2.0

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: w.abs() ** globals()["POW" + "ER"] for n, w in problem.weights.items()}

METHODS = {"own": Own}
""",
        ("POWER = 2.0", "POWER = 3.0"),
    ),
    "code as text": (
        """
exec("def power(w): return w ** 2")

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: power(w) for n, w in problem.weights.items()}

METHODS = {"own": Own}
""",
        ("w ** 2", "w ** 4"),
    ),
    "registered where it is defined": (
        """
REGISTERED["own"] = None

@dataclass(frozen=True)
class Own(Method):
    factor = 1.0
    def scores(self, problem):
        return {n: self.factor * w.abs() for n, w in problem.weights.items()}

Own.factor = -1.0
METHODS = {"own": Own}
""",
        ("Own.factor = -1.0", "Own.factor = 1.0"),
    ),
}


def job_sha256(monkeypatch, module, name: str = "own") -> str:
    monkeypatch.setitem(METHODS, "own", module.METHODS[name])
    return source_of(
        Job(
            pair="mlpnet-mnist5k",
            method="own",
            hyperparameters={},
            allocation="global",
            sparsity=0.5,
            seed=0,
            protocol="one-shot",
            budget=Budget(),
        )
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_method_counts_however_it_is_made(tmp_path, monkeypatch, way) -> None:
    text, (old, new) = WAYS[way]
    files = {"plugin.py": HEAD + text}
    first = job_sha256(monkeypatch, imported(tmp_path, files))
    assert job_sha256(monkeypatch, imported(tmp_path, files)) == first
    changed = edited(files, ("plugin.py", old, new))
    assert job_sha256(monkeypatch, imported(tmp_path, changed)) != first


def test_a_method_that_looks_others_up_depends_on_them(tmp_path) -> None:
    text = """
@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return build("obd", {"samples": 10}).scores(problem)

METHODS = {"own": Own}
"""
    own = targets_of(imported(tmp_path, {"plugin.py": HEAD + text}).METHODS["own"])
    copy = Copy(tmp_path / "suite")
    before = copy.closure(own).sha256
    assert copy.closure(own).sha256 == before
    copy.insert(OBD.scores)
    assert copy.closure(own).sha256 != before


MODELS = {
    "a method of an object": (
        """
class Factory:
    def __init__(self, width):
        self.width = width
    def build(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, self.width), nn.Linear(self.width, 10))

MODEL = Factory(8).build
""",
        ("Factory(8)", "Factory(9)"),
    ),
    "an object that can be called": (
        """
class Factory:
    def __init__(self, bend):
        self.bend = bend
    def __call__(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), self.bend())

MODEL = Factory(nn.ReLU)
""",
        ("nn.ReLU", "nn.Tanh"),
    ),
    "a function that is cached": (
        """
@functools.lru_cache
def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU())

MODEL = model
""",
        ("nn.ReLU", "nn.Tanh"),
    ),
    "a function as an attribute": (
        """
class Net(nn.Module):
    def __init__(self, bend):
        super().__init__()
        self.layer, self._bend = nn.Linear(784, 10), bend
    def forward(self, images):
        return self._bend(self.layer(images.flatten(1)))

MODEL = functools.partial(Net, *[torch.relu])
""",
        ("torch.relu", "torch.tanh"),
    ),
    "a forward pass put in later": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(784, 10)

def bent(self, images):
    return torch.relu(self.layer(images.flatten(1)))

def model():
    net = Net()
    net.forward = bent.__get__(net)
    return net

MODEL = model
""",
        ("torch.relu", "torch.tanh"),
    ),
    "a hook": (
        """
def model():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    net.register_forward_hook(lambda net, given, output: output.relu())
    return net

MODEL = model
""",
        ("output.relu", "output.tanh"),
    ),
    "a number in a list": (
        """
class Net(nn.Sequential):
    scales = [1.0, 2.0]
    def forward(self, images):
        return super().forward(images) * self.scales[1]

MODEL = lambda: Net(nn.Flatten(), nn.Linear(784, 10))
""",
        ("2.0", "3.0"),
    ),
    "another pair's model": (
        """
def model():
    net = KNOWN["mlpnet-mnist"].model()
    net.fc2.register_forward_hook(lambda net, given, output: output * 2)
    return net

MODEL = model
""",
        ("output * 2", "output * 3"),
    ),
    "weights that no checkpoint holds": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.mean = nn.Linear(784, 10), torch.full((784,), 0.5)
    def forward(self, images):
        return self.layer(images.flatten(1) - self.mean)

MODEL = Net
""",
        ("0.5", "0.25"),
    ),
    "layers in a plain list": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.bends = nn.Linear(784, 10), [nn.ReLU()]
    def forward(self, images):
        return self.bends[0](self.layer(images.flatten(1)))

MODEL = Net
""",
        ("nn.ReLU()", "nn.Tanh()"),
    ),
}
PAIR = """
PAIRS = {"own": Pair(
    "own", MODEL, "mnist5k", Normalisation((0.0,), (1.0,)), ".*weight",
    Recipe(epochs=1, learning_rate=0.1),
)}
"""


@pytest.mark.parametrize("way", MODELS)
def test_a_model_counts_however_it_is_made(tmp_path, way) -> None:
    text, (old, new) = MODELS[way]

    def hashed(files: dict[str, str]) -> str:
        pair = imported(tmp_path, files).PAIRS["own"]
        return pair_sha256(pair, pair.build())

    # The model's own text is a value of the registry alone, as in a plugin that makes it there.
    inline = text.rpartition("MODEL = ")
    for files in (
        {"plugin.py": HEAD + text + PAIR},
        {"plugin.py": HEAD + inline[0] + PAIR.replace("MODEL", inline[2].strip())},
        {
            "plugin.py": HEAD + "from networks import MODEL\n" + PAIR,
            "networks.py": HEAD + text,
        },
    ):
        first = hashed(files)
        assert hashed(files) == first
        name = "networks.py" if "networks.py" in files else "plugin.py"
        assert hashed(edited(files, (name, old, new))) != first
