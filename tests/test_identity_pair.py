"""What makes a pair another one: its settings as data, and whatever its model is made of."""

import dataclasses
from collections.abc import Mapping

import pytest
import torch
from user_folders import Edit, edited, imported

import datasets
from bench.dense_training import trained_path
from bench.pair_identity import pair_sha256
from bench.pairs import PAIRS, Pair

FILES = {
    "plugin.py": """
import functools

import torch
from torch import nn

from bench.images import Normalisation
from bench.pairs import HALF, Pair
from bench.recipe import Recipe
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


def hashes(folder, files: Mapping[str, str]) -> dict[str, str]:
    pairs = imported(folder, files).PAIRS
    return {name: pair_sha256(pair, pair.build()) for name, pair in pairs.items()}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, str]:
    return hashes(tmp_path_factory.mktemp("base"), FILES)


def test_each_pair_is_one_of_its_own(tmp_path, base) -> None:
    assert len(set(base.values())) == len(NAMES)
    assert hashes(tmp_path, FILES) == base


@pytest.mark.parametrize("what", ANOTHER)
def test_an_edit_makes_another_pair(tmp_path, base, what) -> None:
    names, edits = ANOTHER[what]
    found = hashes(tmp_path, edited(FILES, *edits))
    changed = {name for name in NAMES if found[name] != base[name]}
    # The lambda stands in the same statement as the other pairs, but only its own text counts.
    assert changed == set(names)


@pytest.mark.parametrize("what", THE_SAME)
def test_an_edit_leaves_the_pair_as_it_was(tmp_path, base, what) -> None:
    found = hashes(tmp_path, edited(FILES, *THE_SAME[what]))
    assert {name: found[name] for name in NAMES} == base


def test_a_class_of_pairs_counts_with_its_code(tmp_path) -> None:
    text = (
        FILES["plugin.py"]
        + """

class Shifted(Pair):
    def inputs(self, split, device):
        found = super().inputs(split, device)
        found._mean = found._mean + 0.5
        return found


PAIRS["class"] = Shifted(**vars(PAIRS["class"]))
"""
    )
    once = hashes(tmp_path, FILES | {"plugin.py": text})["class"]
    again = hashes(tmp_path, FILES | {"plugin.py": text.replace("+ 0.5", "+ 0.25")})["class"]
    assert len({once, again, hashes(tmp_path, FILES)["class"]}) == 3


def test_the_weights_of_a_published_file_count_by_how_they_are_read() -> None:
    pair = PAIRS["mlpnet-mnist"]
    model = pair.build()

    def reading(content):
        return {name: -weight for name, weight in content["model_state_dict"].items()}

    other = dataclasses.replace(pair, dense=dataclasses.replace(pair.dense, extract=reading))
    moved = dataclasses.replace(pair, dense=dataclasses.replace(pair.dense, url="", file="x"))
    assert pair_sha256(other, model) != pair_sha256(pair, model)
    assert pair_sha256(moved, model) == pair_sha256(pair, model)


def test_classes_that_a_model_is_built_from_count_wherever_they_are(tmp_path) -> None:
    """A factory that looks its class up in a way that no reading of the code could follow."""
    text = """
import importlib
from bench.images import Normalisation
from bench.pairs import Pair
from bench.recipe import Recipe

def build():
    return getattr(importlib.import_module("".join(["net", "works"])), "N" + "et")()

PAIRS = {"class": Pair("x", build, "mnist5k", Normalisation((0.,), (1.,)), ".*", Recipe(
    epochs=1, learning_rate=0.1))}
"""
    files = FILES | {"plugin.py": text}
    base = hashes(tmp_path, files)["class"]
    for what in ("ReLU into tanh, two imports away", "the forward pass"):
        _, edits = ANOTHER[what]
        assert hashes(tmp_path, edited(files, *edits))["class"] != base


def test_the_version_of_a_package_counts_but_not_that_of_torch(monkeypatch) -> None:
    pytest.importorskip("timm", reason="the extra test isn't installed")
    from bench.fingerprint import distributions

    def timm_model():
        import timm

        return timm.create_model("test_resnet", num_classes=10)

    pair = Pair(
        "x",
        timm_model,
        "mnist5k",
        PAIRS["mlpnet-mnist"].normalisation,
        ".*",
        PAIRS["mlpnet-mnist5k"].dense,
    )
    suite = PAIRS["mlpnet-mnist"]
    before = [pair_sha256(one, one.build()) for one in (pair, suite)]
    monkeypatch.setattr(distributions, "version", lambda name: f"another of {name}")
    distributions._version.cache_clear()
    after = [pair_sha256(one, one.build()) for one in (pair, suite)]
    distributions._version.cache_clear()
    assert after[0] != before[0] and after[1] == before[1]


WEIGHTS = {
    "ReLU into tanh, two imports away": True,
    "the mean": True,
    "a frozen layer": True,
    "the recipe": True,
    "the data": True,
    "the interpolation": True,
    "the prunable weights": False,
}


@pytest.mark.parametrize("what", WEIGHTS)
def test_trained_weights_are_named_by_what_they_follow_from(tmp_path, what) -> None:
    def path(files):
        pair = imported(tmp_path, files).PAIRS[names[0]]
        data = datasets.load("mnist5k")
        if pair.dataset != data.name:
            data = dataclasses.replace(data, digest="another")
        return trained_path(pair, pair.dense, pair.build(), data)

    names, edits = ANOTHER[what]
    base = path(FILES)
    assert base.name.startswith(names[0])
    assert (path(edited(FILES, *edits)) != base) == WEIGHTS[what]
    renamed = edited(FILES, *THE_SAME["docstrings"], *THE_SAME["the slack"])
    assert path(renamed) == base


def test_initial_weights_and_buffers_are_those_of_every_process(tmp_path) -> None:
    text = FILES["networks.py"].replace("torch.tensor([1.0])", "torch.randn(1)")
    state = torch.get_rng_state()
    one, other = (hashes(tmp_path, FILES | {"networks.py": text}) for _ in range(2))
    assert one == other
    assert torch.equal(torch.get_rng_state(), state)
