"""Runs a model before it is used, to check outputs and per-example gradients against autograd.

All measurements of a pair rely on this: evaluation mode is deterministic, examples don't influence
one another, and what hooks record of a layer gives the gradients that autograd gives. There are
models for which one of these fails without an exception, and every number computed with them would
be wrong.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from bench.common.errors import MethodError, Skip, UserError
from bench.pairs.pair import Pair
from bench.pairs.preparing.structure import dense_state, refused, sentence
from bench.problem.gradients.layers import supported
from bench.problem.gradients.signal import Signal
from bench.problem.gradients.watch import at_least_single, sharing, signals, watching
from bench.problem.objectives import OBJECTIVES

ROUNDING = {
    torch.float64: 1e-6,
    torch.float32: 1e-3,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
}
"""The relative differences that rounding and another order of summation may cause, by type."""

GRADIENT_ROUNDING = 10.0
"""The factor by which gradients may differ more, since they pass all layers twice. Faults cause
relative differences of about 1."""


@torch.no_grad()
def check_outputs(pair: Pair, model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    """Raise `UserError` unless the model gives each example [n, ...] outputs of its own.

    They must go with the pair's objective and `targets` [n, ...], and be the same in every run and
    in batches of any size. The model, its mode and the global random state must stay as they were.
    """
    before = {name: tensor.clone() for name, tensor in dense_state(model).items()}
    random = torch.get_rng_state()
    logits = _outputs(pair, model, inputs)
    if not isinstance(logits, Tensor):
        several = "where one tensor is expected; `output` of the pair says which part is it"
        raise refused(pair, f"it returns {_kind(logits)}, {several}")
    objective = OBJECTIVES[pair.objective]
    if not (logits.is_floating_point() and objective.fits(logits, targets)):
        raise refused(
            pair,
            f"it returns {logits.dtype} of shape {list(logits.shape)} for {len(inputs)} examples "
            f"with targets {targets.dtype} {list(targets.shape)}, expected are {objective.expects}",
        )
    _check_mode(pair, model)
    again = _outputs(pair, model, inputs)
    if not torch.equal(random, torch.get_rng_state()) or not _close(logits, again):
        raise refused(
            pair, f"two runs in evaluation mode differ, or draw random numbers: {_dropout(model)}"
        )
    for name, tensor in dense_state(model).items():
        if not torch.equal(tensor, before[name]) and not tensor.isnan().any():
            raise refused(pair, f"its forward pass changes {name} in evaluation mode")
    alone = [_alone(pair, model, one, logits.dim()) for one in inputs.split(1)]
    if not _close(torch.cat(alone), logits):
        raise refused(pair, _mixing(model))


def check_gradients(
    pair: Pair, model: nn.Module, prunable: Mapping[str, str], inputs: Tensor
) -> None:
    """Raise `UserError` if gradients of prunable layers aren't those of plain autograd.

    For each example of `inputs` [n, ...], the gradients computed from layer inputs and output
    gradients are compared with those of the whole model run on that example alone. Layers for which
    the suite doesn't compute gradients aren't compared: methods that need them are skipped. Cost: a
    forward and backward pass for all examples together, and one for each alone.
    """
    with torch.no_grad():
        labels = OBJECTIVES[pair.objective].distant(at_least_single(model(inputs)))
    exact = [
        _plain_gradients(pair, model, prunable, one, label)
        for one, label in zip(inputs.split(1), labels.split(1), strict=True)
    ]
    known = {name: path for name, path in prunable.items() if _all_supported(model, path)}
    if not known:
        return
    overwritten = _overwritten(model, list(known.values()), inputs)
    try:
        objective = OBJECTIVES[pair.objective]
        found = signals(model, list(known.values()), inputs, labels, objective)
    except (Skip, MethodError) as error:
        raise refused(pair, f"gradients of its layers can't be had: {error}") from error
    except (RuntimeError, IndexError, KeyError) as error:
        raise refused(pair, f"gradients of its layers can't be had: {sentence(error)}") from error
    for name, path in known.items():
        expected = torch.stack([gradients[name].flatten() for gradients in exact])
        problem = overwritten.get(path) or _difference(
            found[path], expected, len(inputs), model.get_parameter(name).dtype
        )
        if problem:
            raise UserError(
                f"Gradients of the layer {path} of pair {pair.name} would be wrong: {problem}. "
                "Either its forward pass does more than its type says (computes its weight, pads "
                "or overwrites its input), or its weight is used outside of it; such a layer must "
                "stay out of the prunable rule."
            )


@torch.no_grad()
def _overwritten(model: nn.Module, layers: list[str], inputs: Tensor) -> dict[str, str]:
    """Return the layers whose input changed between their call and the end of the pass."""
    seen: list[tuple[str, Tensor, Tensor]] = []
    with watching(
        model, layers, lambda name, _, given, __: seen.append((name, given, given.clone()))
    ):
        model(inputs)
    return {
        name: "its input is overwritten after it was used"
        for name, given, before in seen
        if not torch.equal(given, before) and not before.isnan().any()
    }


def _difference(signal: Signal, expected: Tensor, examples: int, dtype: torch.dtype) -> str | None:
    """Return how the gradients of a layer [n, ...] differ from those expected, if they do."""
    if signal.examples != examples:
        return (
            f"it is given {signal.examples} examples of the {examples}, so its first dimension "
            "isn't the examples"
        )
    try:
        candidates = {"what its inputs and output gradients give": signal.gradients()}
        with suppress(Skip):  # of tied weights in different groups: their methods are skipped
            products = signal.output_gradients @ signal.inputs.mT
            candidates["what the columns of its inputs give"] = products.flatten(1)
    except RuntimeError:
        return "its inputs and its outputs don't go together as its type says"
    for what, gradients in candidates.items():
        if gradients.shape != expected.shape:
            return f"{what} has the shape {list(gradients.shape)}, not {list(expected.shape)}"
        error, size = (gradients - expected).double().norm(), expected.double().norm()
        if not bool(error <= GRADIENT_ROUNDING * ROUNDING[dtype] * size + 1e-20):
            return f"{what} is {float(error / size):.0%} off autograd's gradient"
    return None


def _plain_gradients(
    pair: Pair, model: nn.Module, prunable: Mapping[str, str], one: Tensor, label: Tensor
) -> dict[str, Tensor]:
    """Return the loss's gradient by prunable parameter, by autograd through the whole model."""
    leaves = {name: model.get_parameter(name).detach().requires_grad_() for name in prunable}
    try:
        with torch.enable_grad():
            outputs = at_least_single(functional_call(model, leaves, (one,)))
            loss = OBJECTIVES[pair.objective].loss(outputs, label)
            found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    except RuntimeError as error:
        raise refused(pair, f"autograd can't differentiate it: {sentence(error)}") from error
    for name, gradient in zip(leaves, found, strict=True):
        if gradient is None:
            raise refused(
                pair,
                f"{name} is prunable but takes no part in its output in evaluation mode, as in an "
                "auxiliary head; leave it out of the prunable rule",
            )
    return dict(zip(leaves, map(at_least_single, found), strict=True))


def _all_supported(model: nn.Module, path: str) -> bool:
    return all(supported(module) for module in sharing(model, path))


def _outputs(pair: Pair, model: nn.Module, inputs: Tensor) -> Any:
    try:
        return model(inputs)
    except Exception as error:
        raise refused(
            pair, f"it fails on inputs {list(inputs.shape)} ({sentence(error)})"
        ) from error


def _alone(pair: Pair, model: nn.Module, one: Tensor, dimensions: int) -> Tensor:
    """Return the outputs of one example run by itself."""
    try:
        logits = model(one)
    except Exception as error:
        reason = f"it fails on an example alone ({sentence(error)}); {_mixing(model)}"
        raise refused(pair, reason) from error
    if not isinstance(logits, Tensor) or logits.dim() != dimensions:
        shape = list(logits.shape) if isinstance(logits, Tensor) else _kind(logits)
        raise refused(pair, f"for one example alone it returns {shape}, not [1, classes]")
    return logits


def _check_mode(pair: Pair, model: nn.Module) -> None:
    for name, module in model.named_modules():
        if module.training:
            raise refused(
                pair,
                f"{name or 'it'} ({type(module).__name__}) stays in training mode after "
                "model.eval()",
            )


def _close(one: Tensor, other: Tensor) -> bool:
    """Return whether logits agree up to rounding; NaN agrees with NaN."""
    scale = float(at_least_single(other).abs().nan_to_num(0, 0, 0).max())
    tolerance = ROUNDING[other.dtype] * max(scale, 1e-6)
    return torch.allclose(one, other, rtol=0, atol=tolerance, equal_nan=True)


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(str, value))}"
    return f"a {type(value).__name__}"


def _dropout(model: nn.Module) -> str:
    """Return a hint at which module may draw the random numbers."""
    dropping = _named(model, lambda module: isinstance(module, _DropoutNd))
    return (
        f"look at {dropping or 'its forward pass'}, where dropout must be given "
        "training=self.training"
    )


def _mixing(model: nn.Module) -> str:
    """Return why the examples of one batch influence each other's outputs."""
    without = _named(model, lambda m: isinstance(m, _BatchNorm) and m.running_mean is None)
    return (
        f"an example's output depends on the others in its batch: {without} normalise by the batch "
        "itself, without running statistics"
        if without
        else "an example's output depends on the others in its batch"
    )


def _named(model: nn.Module, holds: Callable[[nn.Module], bool]) -> str:
    return ", ".join(
        f"{name} ({type(module).__name__})"
        for name, module in model.named_modules()
        if holds(module)
    )
