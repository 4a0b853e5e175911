"""Prunes a model in memory, through the same code as a job: checks, meter and contract included."""

from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from bench.common.errors import UserError
from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget, Meter
from bench.jobs.job import Job
from bench.library.given import given_data, given_pair
from bench.pairs.preparing.prepare import dense_of
from bench.pairs.preparing.structure import built, checked_prunable
from bench.pairs.preparing.validation import check_settings
from bench.problem.passes import MEMORY
from bench.run.case import Case
from bench.run.one_job import carry_out
from methods import build, configuration
from methods.method import Method

UNLIMITED = Budget(
    calibration_examples=2**62,
    backward_passes=2**62,
    hessian_vector_products=2**62,
    recomputations=2**62,
)
"""The budget of a call that names none: everything is counted, nothing is refused."""


@dataclass(frozen=True, eq=False)
class Pruned:
    """A pruned model, and what pruning it took.

    `model` is a copy of the given one, on its device and in its mode; `masks` are True where a
    prunable weight was kept, by parameter name. `spent` counts calibration examples, passes and the
    like; `seconds` are those of pruning alone, without the checks. `sparsity` is the fraction of
    the prunable weights that are zero, `layer_sparsity` that of each layer. `notes` are what a
    reader must know of this use of the method. `weights_sha256` is what the record of the same job
    has.
    """

    model: nn.Module
    masks: dict[str, Tensor]
    spent: Budget
    seconds: float
    sparsity: float
    layer_sparsity: dict[str, float]
    notes: list[str]
    weights_sha256: str


def prune(
    model: nn.Module,
    data: Any,
    method: str | Method = "woodfisher",
    sparsity: float = 0.9,
    *,
    allocation: Allocation = "global",
    seed: int = 0,
    prunable: str | None = None,
    device: torch.device | str | None = None,
    budget: Budget = UNLIMITED,
    recalibration: int = 0,
    **fields: Any,
) -> Pruned:
    """Return a copy of the model pruned once to `sparsity`; the given one stays as it is.

    `data` are what the model was trained on, or some of it: a tuple of inputs [n, ...] and labels
    [n], as the model takes them, but with pixels of 8 bits divided by 255; or a torch dataset of
    items (input, label); or a loader of batches. Whatever it is, it is read whole. `method` is the
    name of one, with `fields` for what differs from its defaults (`samples=400`), or a method
    object of your own. `prunable` is a regular expression for parameter names, by default the
    weights of all linear and convolutional layers that aren't frozen. `allocation`, `seed` and
    `recalibration` are those of a study; `device` is by default the model's own. Methods see the
    first examples of an order that follows from the seed.

    This is the one-shot job of a study: the same checks before (a model whose gradients would be
    wrong is refused), the same meter, the same contract on what the method returns, and the same
    bits. Raises `UserError` for what can't be used, `MethodError` where the method breaks its
    contract, `Skip` where it can't do this by its nature, and `OverBudget` beyond `budget`: each
    one sentence. Cost: the method's own, two copies of the model, and passes of two examples for
    the checks.
    """
    chosen = _method(method, fields)
    if budget.tuning_trials or budget.training_steps:
        raise UserError("prune() neither tunes nor trains: a budget for that takes a study.")
    place = _device(model, device)
    pair, left_out = given_pair(model, prunable)
    check_settings(pair)
    job = _job(pair.name, method, chosen, sparsity, allocation, seed, recalibration, budget)
    copied = built(pair)
    dense = dense_of(
        pair, copied, checked_prunable(pair, copied), given_data(data, seed), "", place
    )
    case = Case(job, dense, chosen, Meter(budget), MEMORY)
    digest = carry_out(case, lambda *_: None, None)
    found = case.findings
    return Pruned(
        model=_restored(case.model, model),
        masks={name: weight != 0 for name, weight in case.weights.items()},
        spent=case.meter.spent,
        seconds=found.prune_seconds or 0.0,
        sparsity=1 - (found.nonzero or 0) / (found.prunable or 1),
        layer_sparsity=found.layer_sparsity or {},
        notes=[*found.notes, *left_out],
        weights_sha256=digest,
    )


def _method(method: str | Method, fields: dict[str, Any]) -> Method:
    """Return the method; raises `UserError` for one that trains, and for fields it doesn't have."""
    if isinstance(method, str):
        chosen = build(method, fields)
    elif isinstance(method, Method):
        if fields:
            raise UserError(
                f"{', '.join(fields)} can't be set beside a method object: set them in the object."
            )
        chosen = method
    else:
        raise UserError(
            f"method must be the name of a method or an object of its class, not {method!r}."
        )
    if chosen.trains:
        raise UserError(
            f"The method {type(chosen).__name__} trains, which takes a study with the protocol "
            f"{' or '.join(chosen.protocols())}: prune() prunes once, without training."
        )
    return chosen


def _device(model: nn.Module, device: torch.device | str | None) -> torch.device:
    """Return this device, by default that of the model's first parameter; raises `UserError`."""
    if not isinstance(model, nn.Module):
        raise UserError(f"model must be a torch.nn.Module, not a {type(model).__name__}.")
    if device is not None:
        try:
            return torch.device(device)
        except RuntimeError as error:
            raise UserError(
                f"There is no device {device!r}: {str(error).split('.')[0]}."
            ) from error
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _job(
    pair: str,
    name: str | Method,
    method: Method,
    sparsity: float,
    allocation: Allocation,
    seed: int,
    recalibration: int,
    budget: Budget,
) -> Job:
    """Return the job that this call is; raises `UserError` for values out of their range."""
    try:
        return Job(
            pair=pair,
            method=name if isinstance(name, str) else type(method).__name__,
            hyperparameters=configuration(method),
            allocation=allocation,
            sparsity=sparsity,
            seed=seed,
            protocol="one-shot",
            recalibration=recalibration,
            budget=budget,
        )
    except ValidationError as error:
        wrong = [
            f"{item['loc'][0]}: {item['msg']}, not {item['input']!r}" for item in error.errors()
        ]
        raise UserError(f"The model can't be pruned so: {'; '.join(wrong)}.") from error


def _restored(pruned: nn.Module, given: nn.Module) -> nn.Module:
    """Give the pruned copy the modes and the `requires_grad` flags of the given model."""
    for name, parameter in given.named_parameters():
        pruned.get_parameter(name).requires_grad_(parameter.requires_grad)
    for name, module in given.named_modules():
        pruned.get_submodule(name).training = module.training
    return pruned
