"""A pair made ready on this machine: data loaded, dense model trained or verified, and measured."""

import copy
import functools
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

import datasets
from bench import checkpoint
from bench.batchnorm import recalibrate
from bench.budget import Budget, Meter
from bench.errors import MethodError, UserError
from bench.evaluate import Evaluation, evaluate
from bench.flops import forward_flops
from bench.folders import data_folder
from bench.frozen import frozen_parameters
from bench.inputs import Inputs
from bench.job import canonical_json
from bench.layout import fitting_layout, laid_out
from bench.pairs import SEED, Pair
from bench.precision import in_single, input_dtype, runs_in_single
from bench.problem import Problem, Target
from bench.recipe import Recipe
from bench.soundness import check_gradients, check_outputs
from bench.structure import built, checked_prunable, dense_state, sentence
from bench.train import Training
from bench.validation import check_settings

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Dense:
    """The dense model of a pair, on its device in evaluation mode, and what was measured of it.

    `single` says that the model is in half precision and methods work on a copy of it in single.
    No parameter of the model has gradients here; the names `frozen` are of those that have none in
    training either.
    """

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
    single: bool = False
    frozen: frozenset[str] = frozenset()

    @property
    def calibration(self) -> Inputs:
        """The training split as methods see it."""
        return self.train.typed(torch.float32) if self.single else self.train

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
    check_settings(pair)
    model = built(pair, device)
    prunable = checked_prunable(pair, model)
    data = datasets.load(pair.dataset)
    frozen = frozen_parameters(model)
    train, test = pair.inputs(data.train, device), pair.inputs(data.test, device)
    model.requires_grad_(False)
    few, _ = train.batch(torch.arange(min(2, len(train))))
    _assert_channels(pair, few)
    given = few.to(input_dtype(model, few))
    check_outputs(pair, model, given, data.classes)
    _assert_classes(pair, data, outputs=int(model(given).shape[1]))
    if isinstance(pair.dense, Recipe):
        state, digest = _trained(pair, pair.dense, data, progress)
    else:
        state, digest = pair.dense.load()
    _load(pair, model, state)
    single = runs_in_single(model, few)
    check_outputs(pair, model, given, data.classes)
    if single:
        check_gradients(pair, in_single(model), prunable, few)
    else:
        check_gradients(pair, model, prunable, given)
    fit = fitting(model, few)
    evaluation = evaluate(model, fit(test))
    _assert_accuracy(pair, evaluation)
    return Dense(
        pair=pair,
        device=device,
        model=model,
        prunable=prunable,
        checkpoint_sha256=digest,
        data_sha256=data.digest,
        train=fit(train),
        validation=fit(pair.inputs(data.validation, device)),
        test=fit(test),
        evaluation=evaluation,
        flops=forward_flops(model, given[:1]).total,
        single=single,
        frozen=frozen,
    )


def fitting(model: nn.Module, few: Tensor) -> Callable[[Inputs], Inputs]:
    """What gives a split in the precision and the memory layout that the model takes best.

    `few` are some of its inputs [n, ...] in single precision, to try the model on.
    """
    dtype = input_dtype(model, few)
    layout = fitting_layout(model, few.to(dtype))
    return lambda images: laid_out(images.typed(dtype), layout)


def _load(pair: Pair, model: nn.Module, state: checkpoint.StateDict) -> None:
    """Put the dense weights into the model; raises `UserError` where they don't fit or are NaN."""
    try:
        model.load_state_dict(checkpoint.completed(model, state))
    except RuntimeError as error:
        raise UserError(
            f"The checkpoint of pair {pair.name} is for another architecture: {sentence(error)}."
        ) from error
    for name, tensor in dense_state(model).items():
        if not bool(tensor.isfinite().all()):
            raise UserError(
                f"The checkpoint of pair {pair.name} has NaN or infinite numbers in {name}: take "
                "one whose training didn't diverge."
            )


def _assert_channels(pair: Pair, inputs: Tensor) -> None:
    channels = len(pair.normalisation.mean)
    if inputs.shape[1] != channels and channels != 1:
        raise UserError(
            f"The normalisation of pair {pair.name} is for {channels} channels, the images of "
            f"{pair.dataset} have {inputs.shape[1]}."
        )


def _assert_classes(pair: Pair, data: datasets.Dataset, outputs: int) -> None:
    if data.classes != outputs:
        raise UserError(
            f"The dataset {data.name} has {data.classes:,} classes on this machine, the model of "
            f"pair {pair.name} tells {outputs:,} apart: give it the data that its weights were "
            "trained on, or make a pair of your own."
        )
    for split in (data.train, data.validation, data.test):
        if not len(split):
            continue
        low, high = (int(extreme) for extreme in split.labels.aminmax())
        if low < 0 or high >= outputs:
            raise UserError(
                f"The labels of the dataset {data.name} go from {low} to {high}, where its "
                f"{data.classes:,} classes are 0 to {data.classes - 1}."
            )


def _assert_accuracy(pair: Pair, evaluation: Evaluation) -> None:
    expected = pair.dense_accuracy
    if not math.isfinite(evaluation.loss):
        raise UserError(
            f"The dense model of pair {pair.name} has the loss {evaluation.loss} on the test "
            "split: its outputs or its inputs are NaN or infinite for some images."
        )
    if expected is not None and abs(evaluation.accuracy - expected) > pair.slack:
        raise UserError(
            f"The dense model of pair {pair.name} reaches {evaluation.accuracy:.2f} % on the "
            f"{evaluation.examples:,} images of the test split, expected {expected:.2f} %: "
            "preprocessing, images or weights differ, so nothing that is pruned from it could be "
            "compared."
        )


def _trained(
    pair: Pair, recipe: Recipe, data: datasets.Dataset, progress: Progress
) -> tuple[checkpoint.StateDict, str]:
    """The suite's own dense weights, from the cache or trained now on the CPU, and their sha256.

    Raises `UserError` where the training fails, and before it where its result couldn't be kept.
    """
    path = _trained_path(pair, recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists() or not path.with_suffix(".json").exists():
            model = pair.build()
            checkpoint.serialized(model)
            cpu = torch.device("cpu")
            images, validation = pair.inputs(data.train, cpu), pair.inputs(data.validation, cpu)
            fit = fitting(model, images.batch(torch.arange(min(2, len(images))))[0])
            _train(pair, recipe, model, fit(images), progress)
            accuracy = evaluate(model, fit(validation)).accuracy if len(validation) else None
            facts = {
                "pair": pair.name,
                "recipe": recipe.model_dump(),
                "validation_accuracy": accuracy,
                "torch": torch.__version__,
            }
            checkpoint.save(path, model, facts)
        return checkpoint.load(path)


def _train(
    pair: Pair, recipe: Recipe, model: nn.Module, images: Inputs, progress: Progress
) -> None:
    """Train the pair's dense model; raises `UserError` where that fails."""
    try:
        Training(
            model,
            pair.prunable_parameters(model),
            images,
            recipe,
            torch.Generator().manual_seed(SEED),
            progress=functools.partial(progress, f"training the dense model of {pair.name}"),
            frozen=frozen_parameters(model),
        ).run()
    except Exception as error:  # the model is the user's own code, and may raise anything
        reason = (
            str(error) if isinstance(error, MethodError) else f"{type(error).__name__}: {error}"
        )
        raise UserError(
            f"The dense model of pair {pair.name} can't be trained by its recipe: {reason}."
        ) from error


def _trained_path(pair: Pair, recipe: Recipe) -> Path:
    """Named after the recipe, so that another recipe is another file."""
    digest = hashlib.sha256(
        canonical_json(recipe.model_dump(exclude_none=True)).encode()
    ).hexdigest()[:12]
    return data_folder() / "checkpoints" / f"{pair.name}-{digest}.safetensors"
