"""Hashes of what a pair's numbers depend on beside weights and data: settings, model, splits."""

import dataclasses
import hashlib
from typing import Any

from torch import nn

import datasets
from bench.common import download, errors, files, folders
from bench.common.machine import measure, yardstick
from bench.fingerprint import code_of, describe, outside_of, structure
from bench.jobs.job import canonical_json
from bench.jobs.recipe import Recipe
from bench.pairs import checkpoint
from bench.pairs.checkpoint import PublishedWeights
from bench.pairs.pair import Pair
from bench.problem import stopwatch

SET_ASIDE = outside_of(
    *(download, errors, files, folders, measure, stopwatch, yardstick),
    # How weights and data are obtained; their own hashes tell which they are.
    *(PublishedWeights.path, PublishedWeights._download, checkpoint.verify, checkpoint.sha256),
    *(checkpoint._found, checkpoint._kept, checkpoint._by_hand),
    datasets.load,
)
"""Code on which no number depends: messages, files, timers."""

_ELSEWHERE = {"name", "dense", "dense_accuracy", "dense_score", "slack", "output"}
"""Fields of a pair that its hash leaves out; `output` is part of the model that was built."""

_AS_BEFORE = {"objective": "classification"}
"""Fields that a pair had not always, with the value that says what held before them: at that value
they are left out, so that older records and trained weights stay current."""


def pair_sha256(pair: Pair, model: nn.Module) -> str:
    """Return the hash of all that a result depends on of the pair; `model` is as it was built.

    The pair's name, its expected accuracy and the slack are left out. Weights and data have hashes
    of their own, but how a published file is read counts here.
    """
    settings = _settings(pair) | {
        "prunable weights": dict(pair.prunable_parameters(model)),
        "weights": _reading(pair.dense),
        "model": structure(model),
    }
    return _sha256(settings)


def training_sha256(pair: Pair, model: nn.Module, data_sha256: str, training: str) -> str:
    """Return the hash of all that the pair's dense weights depend on if the suite trains them.

    `training` is the hash of the code of that training. Which weights are prunable makes no
    difference.
    """
    settings = _settings(pair)
    del settings["prunable"]
    parts = {"weights": _reading(pair.dense), "model": structure(model), "data": data_sha256}
    if not isinstance(pair.model, type):  # a function may set the first weights, in no class's code
        parts["built by"] = settings["model"]
    return _sha256(settings | parts | {"training": training})


def _settings(pair: Pair) -> dict[str, Any]:
    """Return every field that counts, and the code of user-defined pair classes and datasets."""
    names = [
        field.name
        for field in dataclasses.fields(pair)
        if field.name not in _ELSEWHERE
        and (field.name not in _AS_BEFORE or getattr(pair, field.name) != _AS_BEFORE[field.name])
    ]
    definition = datasets.DATASETS.get(pair.dataset)
    return {name: describe(getattr(pair, name)) for name in names} | {
        "kind": "" if type(pair) is Pair else code_of(type(pair), SET_ASIDE),
        "splits": describe(getattr(definition, "split", type(definition))),
    }


def _reading(dense: object) -> Any:
    """Return how the pair's weights are trained, or how they are read from the file."""
    if isinstance(dense, Recipe):
        return dense.model_dump(exclude_none=True)
    return describe(dense.extract) if isinstance(dense, PublishedWeights) else "Supplied"


def _sha256(parts: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
