"""Pairs of a plugin whose model is spread over files, with edits that make them other pairs."""

from collections.abc import Mapping
from pathlib import Path

from bench.pairs.preparing.identity import pair_sha256
from support.user_folders import Edit, imported

FILES = {
    "plugin.py": """
import functools

import torch
from torch import nn

from datasets.inputs.images import Normalisation
from bench.pairs.pair import HALF, Pair
from bench.jobs.recipe import Recipe
from networks import Net, make

RECIPE = Recipe(epochs=2, learning_rate=0.1)
WIDTH = 16
PAIRS = {
    "class": Pair("class", Net, "mnist5k", Normalisation((0.25,), (0.5,)), r"f\\d.weight", RECIPE),
    "partial": Pair(
        "partial", functools.partial(Net, width=8), "mnist5k", Normalisation((0.25,), (0.5,)),
        prunable=r"f\\d.weight", dense=RECIPE, dense_accuracy=90.0, interpolation="bilinear",
    ),
    "lambda": Pair(
        "lambda", lambda: Net(WIDTH), "mnist5k", Normalisation((0.25,), (0.5,)), ".*weight", RECIPE
    ),
    "closure": Pair(
        "closure", make(24), "mnist5k", Normalisation((0.25,), (0.5,)), ".*weight", RECIPE
    ),
}
""",
    "networks.py": '''
"""Networks."""
import torch
from torch import nn

from bends import bend


class Net(nn.Module):
    """A network."""

    def __init__(self, width=16, bend=bend):
        super().__init__()
        self.f1, self.f2 = nn.Linear(784, width), nn.Linear(width, 10)
        self.bend = bend
        self.register_buffer("scale", torch.tensor([1.0]), persistent=False)

    def forward(self, images):
        return self.f2(self.bend(self.f1(images.flatten(1)))) * self.scale


def make(width):
    """A function that builds."""

    def build():
        return Net(width)

    return build
''',
    "bends.py": "from torch.nn.functional import relu as bend\n",
}
STUDY = {
    "cells.toml": """
plugins = ["plugin.py"]
pairs = ["net"]
allocations = ["global"]
sparsities = [0.5]
seeds = [0]
[budget]
calibration_examples = 10
[methods]
own = {}
""",
    "plugin.py": """
from dataclasses import dataclass
from datasets.inputs.images import Normalisation
from bench.pairs.pair import Pair
from bench.jobs.recipe import Recipe
from methods.method import Method
from helper import strength
from networks import Net

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {name: strength(weight) for name, weight in problem.weights.items()}

METHODS = {"own": Own}
PAIRS = {
    "net": Pair(
        name="net", model=Net, dataset="mnist5k", normalisation=Normalisation((0.25,), (0.5,)),
        prunable="f[12].weight", dense=Recipe(epochs=1, learning_rate=0.1),
    )
}
""",
    "helper.py": "def strength(weight):\n    return weight.abs()\n",
    "networks.py": """
import os
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f1, self.f2 = nn.Linear(784, 16), nn.Linear(16, 10)

    def forward(self, images):
        hidden = torch.relu(self.f1(images.flatten(1)))
        return self.f2(hidden * float(os.environ.get("BENCH_" + "SCALE", 1.0)))
""",
}
"""A study of one job, with a method and a pair of its own."""

NAMES = ("class", "partial", "lambda", "closure")
ANOTHER: dict[str, tuple[tuple[str, ...], list[Edit]]] = {
    "ReLU into tanh, two imports away": (NAMES, [("bends.py", "import relu", "import tanh")]),
    "the forward pass": (NAMES, [("networks.py", ") * self.scale", ") / self.scale")]),
    "a buffer that no checkpoint holds": (NAMES, [("networks.py", "[1.0]", "[2.0]")]),
    "a frozen layer": (
        NAMES,
        [("networks.py", "bend = bend\n", "bend = bend\n        self.f1.requires_grad_(False)\n")],
    ),
    "the mean": (
        ("class",),
        [
            (
                "plugin.py",
                'Net, "mnist5k", Normalisation((0.25,)',
                'Net, "mnist5k", Normalisation((0.5,)',
            )
        ],
    ),
    "the deviation": (
        ("closure",),
        [
            (
                "plugin.py",
                'make(24), "mnist5k", Normalisation((0.25,), (0.5,))',
                'make(24), "mnist5k", Normalisation((0.25,), (0.25,))',
            )
        ],
    ),
    "the prunable rule": (("partial",), [("plugin.py", 'prunable=r"f\\d', 'prunable=r"f[12]')]),
    "the prunable weights": (("partial",), [("plugin.py", 'prunable=r"f\\d', 'prunable=r"f[1]')]),
    "the interpolation": (("partial",), [("plugin.py", "bilinear", "bicubic")]),
    "the data": (("class",), [("plugin.py", '("class", Net, "mnist5k"', '("class", Net, "mnist"')]),
    "the recipe": (NAMES, [("plugin.py", "epochs=2", "epochs=3")]),
    "an argument of partial": (("partial",), [("plugin.py", "width=8", "width=9")]),
    "a function as argument of partial": (
        ("partial",),
        [("plugin.py", "width=8", "width=8, bend=torch.tanh")],
    ),
    "the lambda": (
        ("lambda",),
        [("plugin.py", "lambda: Net(WIDTH)", "lambda: Net(WIDTH, torch.tanh)")],
    ),
    "a constant that the lambda reads": (("lambda",), [("plugin.py", "WIDTH = 16", "WIDTH = 17")]),
    "what the closure keeps": (("closure",), [("plugin.py", "make(24)", "make(25)")]),
}
THE_SAME: dict[str, list[Edit]] = {
    "its name": [("plugin.py", '"class", Net', '"other", Net')],
    "the accuracy that is expected": [("plugin.py", "90.0", "91.0")],
    "the slack": [("plugin.py", "90.0,", "90.0, slack=0.5,")],
    "docstrings": [("networks.py", '"""A network."""', '"""One."""')],
    "a new pair": [
        (
            "plugin.py",
            "PAIRS = {",
            "PAIRS = {'new': Pair('new', lambda: make(3)(), 'mnist5k', HALF, '.*', RECIPE),",
        )
    ],
    "a pair in a loop": [
        (
            "plugin.py",
            "PAIRS = {",
            "PAIRS = {n: Pair(n, make(3), 'mnist5k', HALF, '.*', RECIPE) for n in ['new']} | {",
        )
    ],
}


def hashes(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """The hash of each pair of the plugin."""
    pairs = imported(folder, files).PAIRS
    return {name: pair_sha256(pair, pair.build()) for name, pair in pairs.items()}
