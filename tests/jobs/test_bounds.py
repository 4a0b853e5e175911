"""What settings may be: every bound of a study's tables and of a job, on it and beyond it."""

import math

import pytest
from pydantic import BaseModel, ValidationError

from bench.check.published import Column, Value
from bench.common.statistics.gate import Gate
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual

JOB = {
    **{"pair": "p", "method": "m", "hyperparameters": {}, "allocation": "global"},
    **{"sparsity": 0.5, "seed": 0, "protocol": "one-shot", "budget": Budget()},
}
VALUE = {
    **{"source": "s", "table": "t", "model": "m", "dataset": "d", "dense_accuracy": 90.0},
    **{"layers": None, "method": "m", "sparsity": 0.5, "value": 80.0, "std": 0.1},
    **{"metric": "top1", "protocol": "one-shot"},
}
COLUMN = {**{"table": "t", "pair": "p", "method": "m"}, "protocol": "one-shot", "allocation": "erk"}
MODELS: dict[type[BaseModel], dict] = {
    Gate: {},
    Gradual: {"start": 0.5, "end": 4.0},
    Budget: {},
    Recipe: {"epochs": 3, "learning_rate": 0.1},
    Job: JOB,
    Value: VALUE,
    Column: COLUMN,
}
"""Each with the fields that it needs."""

TINY, HUGE = 1e-300, 1e300
BELOW_ONE = math.nextafter(1, 0)
BOUNDS = [
    (Gate, "margin", [TINY, 0.5, HUGE], [0.0, -1.0, math.inf, math.nan]),
    (Gate, "alpha", [TINY, math.nextafter(0.5, 0)], [0.0, 0.5, 0.9, math.nan]),
    (Gate, "slowdown", [None, 1.0001, HUGE], [1.0, 0.5, math.inf, math.nan]),
    (Gradual, "start", [0.0, 3.9], [-TINY, 4.0, 5.0, math.nan, math.inf]),
    (Gradual, "end", [0.6, HUGE], [0.5, 0.0, math.inf, math.nan]),
    (Gradual, "frequency", [TINY, HUGE], [0.0, -1.0, math.inf, math.nan]),
    (Gradual, "initial_sparsity", [0.0, BELOW_ONE], [-TINY, 1.0, 1.5, math.nan]),
    *[(Budget, name, [0, 10**9], [-1, 1.5, "1", True]) for name in Budget.model_fields],
    (Recipe, "epochs", [1, 1000], [0, -1, 1.5, "1"]),
    (Recipe, "examples_per_epoch", [None, 1], [0, -1, 1.5]),
    (Recipe, "batch", [1, 10**6], [0, -1, 1.5]),
    (Recipe, "learning_rate", [TINY, HUGE], [0.0, -1.0, math.inf, math.nan]),
    (Recipe, "momentum", [0.0, BELOW_ONE], [-TINY, 1.0, math.nan]),
    (Recipe, "weight_decay", [0.0, HUGE], [-TINY, math.inf, math.nan]),
    (Recipe, "gamma", [TINY, 1.0], [0.0, 1.1, math.nan]),
    (Recipe, "label_smoothing", [0.0, BELOW_ONE], [-TINY, 1.0, math.nan]),
    (Job, "sparsity", [0.0, BELOW_ONE], [-TINY, 1.0, 1.5, math.nan, math.inf, "0.5"]),
    (Job, "seed", [0, 2**40], [-1, 0.5, "0"]),
    (Job, "recalibration", [0, 10**6], [-1, 0.5]),
    (Value, "sparsity", [0.0, BELOW_ONE], [-TINY, 1.0, math.nan]),
    (Value, "value", [0.0, 100.0], [-TINY, 100.1, math.nan]),
    (Value, "dense_accuracy", [None, 0.0, 100.0], [-TINY, 100.1, math.nan]),
    (Value, "std", [None, 0.0, HUGE], [-TINY, math.inf, math.nan]),
    *[(Value, name, ["x"], [""]) for name in ("source", "table", "model", "dataset", "method")],
    (Value, "protocol", ["x"], [""]),
    (Column, "prunable", [None, 1], [0, 1.5]),
    (Column, "runs", [1, 100], [0, 1.5, "1"]),
]


@pytest.mark.parametrize(("model", "field", "good", "bad"), BOUNDS)
def test_a_bound_is_where_it_is_said_to_be(model, field, good, bad) -> None:
    for value in good:
        assert getattr(model(**MODELS[model] | {field: value}), field) == value
    for value in bad:
        with pytest.raises(ValidationError):
            model(**MODELS[model] | {field: value})


@pytest.mark.parametrize("model", MODELS)
def test_settings_can_neither_change_nor_have_other_fields(model) -> None:
    one = model(**MODELS[model])
    name = next(iter(model.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(one, name, getattr(one, name))
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model(**MODELS[model], another=1)


DEFAULTS = [
    # The README's `[gate]`.
    (Gate, {"margin": 0.5, "alpha": 0.05, "exact": True, "slowdown": None}),
    (Gradual, {"start": 0.5, "end": 4.0, "frequency": 1.0, "initial_sparsity": 0.0}),
    (Budget, dict.fromkeys(Budget.model_fields, 0)),
    (Column, COLUMN | {"ours": None, "hyperparameters": {}, "prunable": None, "runs": 1}),
    (Job, {"recalibration": 0, "training": None, "schedule": None, "control": None}),
    (Recipe, {"examples_per_epoch": None, "batch": 128, "optimizer": "sgd", "momentum": 0.9}),
    (Recipe, {"nesterov": True, "weight_decay": 0.0, "decay_after_pruning": True}),
    (Recipe, {"schedule": "cosine", "milestones": [], "gamma": 0.1, "label_smoothing": 0.0}),
    (Recipe, {"augmentation": "none", "batchnorm": "train", "precision": "float32"}),
]


@pytest.mark.parametrize(("model", "expected"), DEFAULTS)
def test_what_is_not_said_is_the_default(model, expected) -> None:
    found = dict(model(**MODELS[model]))
    assert {name: found[name] for name in expected} == expected


def test_gradual_starts_with_the_training() -> None:
    assert Gradual(end=1.0).start == 0.0
