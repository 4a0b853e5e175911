"""Dense weights that the suite trains are named by all that they follow from."""

import dataclasses

import pytest
from support.user_folders import edited, imported
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
