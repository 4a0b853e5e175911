"""A pair made ready on this machine: data loaded, dense model trained or verified, and measured."""

import copy
import functools
from dataclasses import dataclass

import torch
from torch import nn

import datasets
from bench.batchnorm import recalibrate
from bench.budget import Budget, Meter
from bench.dense_training import Progress, trained
from bench.errors import UserError
from bench.evaluate import Evaluation, evaluate, forward_flops
from bench.inputs import Inputs
from bench.pair_identity import pair_sha256
from bench.pairs import Pair
from bench.problem import Problem, Target
from bench.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Dense:
    """The dense model of a pair, on its device in evaluation mode, and what was measured of it."""

    pair: Pair
    device: torch.device
    model: nn.Module
    prunable: dict[str, str]
    checkpoint_sha256: str
    data_sha256: str
    train: Inputs
    validation: Inputs
    test: Inputs
    evaluation: Evaluation
    flops: int
    pair_sha256: str

    @property
    def parameters(self) -> int:
        """The number of all parameters, prunable or not."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @functools.lru_cache(maxsize=64)  # noqa: B019 - a handful of pairs live as long as the process
    def recalibrated(self, examples: int, seed: int) -> Evaluation:
        """The dense model's evaluation after BatchNorm is recalibrated as for pruned models."""
        if not examples:
            return self.evaluation
        model = copy.deepcopy(self.model)
        meter = Meter(Budget(calibration_examples=examples))
        target = Target(sparsity=0.0, allocation="global")
        problem = Problem(model, self.prunable, self.train, target, seed, meter)
        recalibrate(model, problem.examples(examples)[0])
        return evaluate(model, self.test)


def prepare(pair: Pair, device: torch.device, progress: Progress = lambda *_: None) -> Dense:
    """The pair ready to be pruned; raises `UserError` where its data or checkpoint can't be had.

    Asserts the pair's dense accuracy where it is known beforehand.
    """
    data = datasets.load(pair.dataset)
    train_images, test_images = pair.inputs(data.train, device), pair.inputs(data.test, device)
    model = pair.build()
    identity = pair_sha256(pair, model)
    model = model.to(device).eval().requires_grad_(False)
    example, _ = test_images.batch(torch.arange(1))
    _assert_classes(pair, data, outputs=model(example).shape[1])
    if isinstance(pair.dense, Recipe):
        state, digest = trained(pair, pair.dense, data, progress)
    else:
        state, digest = pair.dense.load()
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"The checkpoint of pair {pair.name} is for another architecture: {error}"
        ) from error
    evaluation = evaluate(model, test_images)
    _assert_accuracy(pair, evaluation)
    return Dense(
        pair=pair,
        device=device,
        model=model,
        prunable=pair.prunable_parameters(model),
        checkpoint_sha256=digest,
        data_sha256=data.digest,
        train=train_images,
        validation=pair.inputs(data.validation, device),
        test=test_images,
        evaluation=evaluation,
        flops=forward_flops(model, example),
        pair_sha256=identity,
    )


def _assert_classes(pair: Pair, data: datasets.Dataset, outputs: int) -> None:
    if data.classes != outputs:
        raise UserError(
            f"The dataset {data.name} has {data.classes:,} classes on this machine, the model of "
            f"pair {pair.name} tells {outputs:,} apart: give it the data that its weights were "
            "trained on, or make a pair of your own."
        )


def _assert_accuracy(pair: Pair, evaluation: Evaluation) -> None:
    expected = pair.dense_accuracy
    if expected is not None and abs(evaluation.accuracy - expected) > pair.slack:
        raise UserError(
            f"The dense model of pair {pair.name} reaches {evaluation.accuracy:.2f} % on the "
            f"{evaluation.examples:,} images of the test split, expected {expected:.2f} %: "
            "preprocessing, images or weights differ, so nothing that is pruned from it could be "
            "compared."
        )
