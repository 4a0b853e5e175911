"""The suite's own dense weights: trained once per machine, and named by all they depend on."""

import functools
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn

from bench.common.errors import MethodError, UserError
from bench.common.folders import data_folder
from bench.common.machine.threads import threads
from bench.fingerprint import closure, target_of
from bench.jobs.recipe import Recipe
from bench.pairs import checkpoint
from bench.pairs.evaluate import evaluate
from bench.pairs.pair import SEED, Pair
from bench.pairs.preparing.fitting import first_few, fitting
from bench.pairs.preparing.identity import SET_ASIDE, training_sha256
from bench.problem.objectives import OBJECTIVES
from bench.problem.training.frozen import frozen_parameters
from bench.problem.training.loop import Training
from datasets import Dataset
from datasets.inputs.augmentation import AUGMENTATIONS
from datasets.inputs.split_inputs import Inputs

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""A function that is called with what is trained, the steps done and the steps in all."""

THREADS = 2
"""Threads that every dense model is trained with, whatever the run has: with another number sums
are rounded otherwise, and the same recipe ends in other weights."""

FIRST, ROUNDING = 100, 1e-3
"""The number of examples whose loss identifies a model, and the relative difference that is
allowed."""


def trained(
    pair: Pair, recipe: Recipe, data: Dataset, progress: Progress
) -> tuple[checkpoint.StateDict, str]:
    """Return the pair's dense weights, cached or trained now on the CPU, and their SHA-256.

    Raises `UserError` if the training fails, and before it if its result couldn't be saved.
    """
    model = pair.build()
    path = trained_path(pair, recipe, model, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not _kept(path, pair, model, data):
            _train_and_keep(path, pair, recipe, data, progress)
        return checkpoint.load(path)


def _kept(path: Path, pair: Pair, model: nn.Module, data: Dataset) -> bool:
    """Return whether the stored weights still give the model the loss that it had with them."""
    manifest = path.with_suffix(".json")
    if not path.exists() or not manifest.exists():
        return False
    state, _ = checkpoint.load(path)
    model.load_state_dict(checkpoint.completed(model, state))
    then = json.loads(manifest.read_bytes()).get("first_loss", math.nan)
    same = math.isclose(first_loss(pair, model, data), then, rel_tol=ROUNDING, abs_tol=1e-6)
    if not same:
        log.warning("the model of pair %s has changed: training its dense weights anew", pair.name)
    return same


def first_loss(pair: Pair, model: nn.Module, data: Dataset) -> float:
    """Return the mean loss of the first training examples, to notice that the model has changed.

    It notices what no hash sees, such as a setting that the model's code reads from elsewhere.
    """
    images = pair.inputs(data.train, torch.device("cpu"))
    images = fitting(model.eval(), first_few(images))(images)
    inputs, targets = images.batch(torch.arange(min(FIRST, len(images))))
    with torch.no_grad():
        outputs = model(inputs).double()
        return float(OBJECTIVES[pair.objective].loss(outputs, targets, "mean"))


def _train_and_keep(
    path: Path, pair: Pair, recipe: Recipe, data: Dataset, progress: Progress
) -> None:
    model = pair.build()
    checkpoint.serialized(model)  # fails now rather than after the training
    what = f"training the dense model of {pair.name}"
    fit = train(pair, recipe, model, data, functools.partial(progress, what))
    validation = fit(pair.inputs(data.validation, torch.device("cpu")))
    found = evaluate(model, validation, OBJECTIVES[pair.objective]) if len(validation) else None
    facts = {
        "pair": pair.name,
        "recipe": recipe.model_dump(),
        "first_loss": first_loss(pair, model, data),
        "validation_accuracy": found and found.accuracy,
        "validation_score": found and found.score,
        "torch": torch.__version__,
    }
    checkpoint.save(path, model, facts)


def train(
    pair: Pair,
    recipe: Recipe,
    model: nn.Module,
    data: Dataset,
    progress: Callable[[int, int], None],
) -> Callable[[Inputs], Inputs]:
    """Train the newly built model on the CPU; return a function that fits inputs to it.

    Raises `UserError` if that fails.
    """
    images = pair.inputs(data.train, torch.device("cpu"))
    try:
        fit = fitting(model, first_few(images))
        with threads(THREADS):
            Training(
                model,
                pair.prunable_parameters(model),
                fit(images),
                recipe,
                torch.Generator().manual_seed(SEED),
                progress=progress,
                frozen=frozen_parameters(model),
                objective=OBJECTIVES[pair.objective],
            ).run()
    except Exception as error:  # the model is the user's own code, and may raise anything
        reason = (
            str(error) if isinstance(error, MethodError) else f"{type(error).__name__}: {error}"
        )
        raise UserError(
            f"The dense model of pair {pair.name} can't be trained by its recipe: {reason}."
        ) from error
    return fit


def trained_path(pair: Pair, recipe: Recipe, model: nn.Module, data: Dataset) -> Path:
    """Return the path of the weights, named after the pair and a hash of all that they depend on.

    These are the pair's settings, its model, the data and the code of the training.
    """
    roots = [train, AUGMENTATIONS[recipe.augmentation]]
    targets = [target_of(root) for root in roots if root is not None]
    code = closure(tuple(target for target in targets if target is not None), SET_ASIDE).sha256
    digest = training_sha256(pair, model, data.digest, code)[:12]
    return data_folder() / "checkpoints" / f"{pair.name}-{digest}.safetensors"
