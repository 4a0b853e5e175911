"""Prepares a pair on this machine: loads data, trains or verifies the dense model, checks it."""

import math

import torch
from torch import Tensor, nn

import datasets
from bench.common.errors import UserError
from bench.jobs.metric import METRICS
from bench.jobs.recipe import Recipe
from bench.pairs import checkpoint
from bench.pairs.evaluate import Evaluation, evaluate
from bench.pairs.flops import forward_flops
from bench.pairs.pair import Pair
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.dense_training import Progress, trained
from bench.pairs.preparing.fitting import first_two, fitting
from bench.pairs.preparing.identity import pair_sha256
from bench.pairs.preparing.precision import converted, in_single, input_dtype, runs_in_single
from bench.pairs.preparing.soundness import check_gradients, check_outputs
from bench.pairs.preparing.structure import built, checked_prunable, dense_state, sentence
from bench.pairs.preparing.validation import check_settings
from bench.problem.objectives import OBJECTIVES
from bench.problem.training.frozen import frozen_parameters


def prepare(pair: Pair, device: torch.device, progress: Progress = lambda *_: None) -> Dense:
    """Return the pair ready to be pruned; raises `UserError` if it is unusable or unobtainable.

    If the pair's dense accuracy is known, it is checked against the evaluation.
    """
    check_settings(pair)
    model = built(pair)
    prunable = checked_prunable(pair, model)
    identity = pair_sha256(pair, model)
    return dense_of(pair, model, prunable, datasets.load(pair.dataset), identity, device, progress)


def dense_of(
    pair: Pair,
    model: nn.Module,
    prunable: dict[str, str],
    data: datasets.Dataset,
    identity: str,
    device: torch.device,
    progress: Progress = lambda *_: None,
) -> Dense:
    """Return the pair's built model with its dense weights on these data, checked and evaluated.

    The model is changed: moved to the device, loaded, and put into evaluation mode without
    gradients. `identity` is the pair's hash, for records. Raises `UserError` as `prepare`.
    """
    frozen = frozen_parameters(model)
    model = model.to(device).eval().requires_grad_(False)
    train, test = pair.inputs(data.train, device), pair.inputs(data.test, device)
    few, targets = first_two(train)
    objective = OBJECTIVES[pair.objective]
    _assert_channels(pair, few)
    given = converted(few, input_dtype(model, few))
    check_outputs(pair, model, given, targets)
    _assert_targets(pair, data, model(given))
    if isinstance(pair.dense, Recipe):
        state, digest = trained(pair, pair.dense, data, progress)
    elif isinstance(pair.dense, checkpoint.BuiltWeights):
        state, digest = checkpoint.GivenWeights(model.state_dict()).load()
    else:
        state, digest = pair.dense.load()
    _load(pair, model, state)
    single = runs_in_single(model, few)
    check_outputs(pair, model, given, targets)
    if single:
        check_gradients(pair, in_single(model), prunable, few)
    else:
        check_gradients(pair, model, prunable, given)
    fit = fitting(model, few)
    evaluation = evaluate(model, fit(test), objective)
    _assert_expected(pair, evaluation)
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
        pair_sha256=identity,
        single=single,
        frozen=frozen,
    )


def _load(pair: Pair, model: nn.Module, state: checkpoint.StateDict) -> None:
    """Load the dense weights into the model.

    Raises `UserError` if they don't fit or aren't finite.
    """
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
    if pair.normalisation is None:
        return
    if not inputs.is_floating_point():
        raise UserError(
            f"The inputs of {pair.dataset} are tokens ({inputs.dtype}), which can't be normalised: "
            f"give the pair {pair.name} normalisation=None."
        )
    channels = len(pair.normalisation.mean)
    if inputs.shape[1] != channels and channels != 1:
        raise UserError(
            f"The normalisation of pair {pair.name} is for {channels} channels, the inputs of "
            f"{pair.dataset} have {inputs.shape[1]}."
        )


def _assert_targets(pair: Pair, data: datasets.Dataset, outputs: Tensor) -> None:
    """Raise `UserError` if labels or tokens aren't among those that the model tells apart."""
    if pair.objective == "classification":
        _assert_classes(pair, data, outputs.shape[1])
    elif pair.objective == "language-model":
        _assert_range(data, outputs.shape[2], "tokens", f"{outputs.shape[2]:,} of the model's")


def _assert_classes(pair: Pair, data: datasets.Dataset, outputs: int) -> None:
    if data.classes not in (None, outputs):
        raise UserError(
            f"The dataset {data.name} has {data.classes:,} classes on this machine, the model of "
            f"pair {pair.name} tells {outputs:,} apart: give it the data that its weights were "
            "trained on, or make a pair of your own."
        )
    for split in (data.train, data.validation, data.test):
        if split.labels.is_floating_point() or split.labels.dim() != 1:
            raise UserError(
                f"The labels of the dataset {data.name} are {split.labels.dtype} of the shape "
                f"{list(split.labels.shape)}, where the pair {pair.name} expects the number of "
                "each example's class, [examples]."
            )
    _assert_range(data, outputs, "labels", f"{outputs:,} classes")


def _assert_range(data: datasets.Dataset, outputs: int, what: str, known: str) -> None:
    for split in (data.train, data.validation, data.test):
        if not len(split):
            continue
        low, high = (int(extreme) for extreme in split.labels.aminmax())
        if low < 0 or high >= outputs:
            raise UserError(
                f"The {what} of the dataset {data.name} go from {low} to {high}, where its "
                f"{known} are 0 to {outputs - 1}."
            )


def _assert_expected(pair: Pair, evaluation: Evaluation) -> None:
    expected, objective = pair.dense_accuracy, OBJECTIVES[pair.objective]
    if not math.isfinite(evaluation.loss):
        raise UserError(
            f"The dense model of pair {pair.name} has the loss {evaluation.loss} on the test "
            "split: its outputs or its inputs are NaN or infinite for some images."
        )
    wanted, reached = pair.dense_score, evaluation.score
    if wanted is not None and reached is not None and abs(reached - wanted) > pair.slack:
        raise UserError(
            f"The dense model of pair {pair.name} has the {METRICS[objective.metric].noun} "
            f"{reached:g} on the {evaluation.examples:,} examples of the test split, expected "
            f"{wanted:g}: preprocessing, data or weights differ, so nothing that is pruned from it "
            "could be compared."
        )
    accuracy = evaluation.accuracy
    if expected is not None and accuracy is not None and abs(accuracy - expected) > pair.slack:
        raise UserError(
            f"The dense model of pair {pair.name} reaches {accuracy:.2f} % on the "
            f"{evaluation.examples:,} images of the test split, expected {expected:.2f} %: "
            "preprocessing, images or weights differ, so nothing that is pruned from it could be "
            "compared."
        )
