"""Dense weights that the suite trains are named by all that they follow from."""

import dataclasses

import pytest
from support.user_folders import HEAD, edited, imported
from support.user_pairs import ANOTHER, FILES, THE_SAME

import datasets
from bench.pairs.preparing.dense_training import trained_path

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


FIRST = """
def scaled(net, factor):
    with torch.no_grad():
        net[1].weight.mul_(factor)
    return net

def model(factor=1.0):
    return scaled(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), factor)

PAIRS = {"own": Pair(
    "own", MODEL, "mnist5k", Normalisation((0.0,), (1.0,)), ".*weight",
    Recipe(epochs=1, learning_rate=0.1),
)}
"""


@pytest.mark.parametrize("way", ["lambda: model(FACTOR)", "functools.partial(model, FACTOR)"])
def test_first_weights_that_a_function_sets_make_others(tmp_path, way) -> None:
    def path(factor):
        text = HEAD + FIRST.replace("MODEL", way.replace("FACTOR", factor))
        pair = imported(tmp_path, {"plugin.py": text}).PAIRS["own"]
        return trained_path(pair, pair.dense, pair.build(), datasets.load("mnist5k"))

    assert path("2.0") == path("2.0") != path("3.0")
