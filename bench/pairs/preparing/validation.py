"""Checks the settings of a pair as strictly as a study file, and reports all mistakes at once."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

from bench.common.errors import UserError
from bench.jobs.recipe import Recipe
from bench.pairs.checkpoint import (
    BuiltWeights,
    GivenWeights,
    PublishedWeights,
    SuppliedWeights,
)
from bench.pairs.pair import Pair
from bench.problem.objectives import OBJECTIVES
from datasets.inputs.decoding import Interpolation
from datasets.inputs.images import Normalisation


def check_settings(pair: Pair) -> None:
    """Raise `UserError` if a field of the pair has a wrong type or is out of range."""
    mistakes = list(_mistakes(pair))
    if mistakes:
        raise UserError(f"The pair {pair.name} can't be used: {'; '.join(mistakes)}.")


def _mistakes(pair: Pair) -> Iterator[str]:
    expected: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "name": ("a name of letters, digits, spaces and the signs _ . + -", _is_name),
        "model": ("a function or class that builds a torch.nn.Module", callable),
        "dataset": ("the name of a dataset", _is_text),
        "prunable": ("a regular expression for parameter names, as text", _is_pattern),
        "dense": ("PublishedWeights, SuppliedWeights, BuiltWeights or a Recipe", _is_checkpoint),
        "dense_accuracy": ("a percentage from 0 to 100, or None", _is_accuracy),
        "objective": (f"one of {', '.join(OBJECTIVES)}", _is_objective),
        "dense_score": ("a finite number of at least 0, or None", _is_score),
        "slack": ("a finite number of at least 0", lambda value: _is_number(value) and value >= 0),
        "output": ("the place or the name of a part of the model's output, or None", _is_part),
        "interpolation": (f"one of {', '.join(get_args(Interpolation))}", _is_interpolation),
    }
    for field, (what, holds) in expected.items():
        value = getattr(pair, field)
        if not holds(value):
            yield f"{field} must be {what}, not {value!r}"
    yield from _expectation_mistakes(pair)
    yield from _normalisation_mistakes(pair.normalisation)


def _expectation_mistakes(pair: Pair) -> Iterator[str]:
    """What is expected of the dense model must be what its objective gives."""
    if pair.objective == "classification" and pair.dense_score is not None:
        yield "dense_score is of other objectives: a classification has a dense_accuracy"
    if pair.objective == "regression" and pair.dense_accuracy is not None:
        yield "a regression has no accuracy: give its mean squared error as dense_score"
    if pair.objective == "regression" and getattr(pair.dense, "label_smoothing", False):
        yield "label_smoothing is of classes, and a regression has none"


def _normalisation_mistakes(value: object) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, Normalisation):
        yield f"normalisation must be a Normalisation(mean, std) or None, not {value!r}"
        return
    for field in ("mean", "std"):
        numbers = getattr(value, field)
        if not (isinstance(numbers, tuple) and numbers and all(map(_is_number, numbers))):
            yield f"normalisation.{field} must be a tuple of finite numbers, not {numbers!r}"
            return
    if len(value.mean) != len(value.std):
        yield f"normalisation has {len(value.mean)} means and {len(value.std)} standard deviations"
    if not all(number > 0 for number in value.std):
        yield f"normalisation.std must be above 0, not {value.std!r}"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w[\w .+-]*", value) is not None


def _is_pattern(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    return True


def _is_checkpoint(value: object) -> bool:
    kinds = PublishedWeights | SuppliedWeights | GivenWeights | BuiltWeights | Recipe
    return isinstance(value, kinds)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_accuracy(value: object) -> bool:
    return value is None or (
        isinstance(value, int | float) and _is_number(value) and 0 <= value <= 100
    )


def _is_objective(value: object) -> bool:
    return isinstance(value, str) and value in OBJECTIVES


def _is_score(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and _is_number(value) and value >= 0)


def _is_part(value: object) -> bool:
    return value is None or (isinstance(value, int | str) and not isinstance(value, bool))


def _is_interpolation(value: object) -> bool:
    return isinstance(value, str) and value in get_args(Interpolation)
