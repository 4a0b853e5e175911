"""Models in half precision: methods compute in single, and their result is rounded once.

In float16 most entries of an inverse Fisher's diagonal are infinite (1/λ is 10⁵), and gradients
underflow. So methods work on a copy of the model in single precision, with sums in double precision
as always, and what they return is rounded to the model's own precision.
"""

import copy

import torch
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.problem.weights import Weights

HALF = (torch.float16, torch.bfloat16)
"""The floating-point types below single precision."""


def own_dtype(model: nn.Module) -> torch.dtype:
    """Return the floating-point type of the model's parameters, or single if they differ."""
    found = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    return found.pop() if len(found) == 1 else torch.float32


def converted(inputs: Tensor, dtype: torch.dtype) -> Tensor:
    """Return fractional inputs in this type; whole numbers, such as tokens, stay what they are."""
    return inputs.to(dtype) if inputs.is_floating_point() else inputs


@torch.no_grad()
def input_dtype(model: nn.Module, inputs: Tensor) -> torch.dtype:
    """Return the type in which the model takes its inputs: its own, or else single precision.

    That of tokens is their own.
    """
    if not inputs.is_floating_point():
        return inputs.dtype
    own = own_dtype(model)
    if own == torch.float32:
        return own
    try:
        copy.deepcopy(model).eval()(converted(inputs, own))  # a copy, as passes may count
    except RuntimeError:
        return torch.float32
    return own


@torch.no_grad()
def runs_in_single(model: nn.Module, inputs: Tensor) -> bool:
    """Return whether the model has parameters in half precision and a copy in single runs.

    A model that converts to half in its own forward pass doesn't; its passes are then in half
    precision.
    """
    if not any(parameter.dtype in HALF for parameter in model.parameters()):
        return False
    try:
        in_single(model)(converted(inputs, torch.float32))
    except RuntimeError:
        return False
    return True


def in_single(model: nn.Module) -> nn.Module:
    """Return a copy of the model in single precision."""
    return copy.deepcopy(model).float()


def rounded(found: Weights, like: Weights) -> Weights:
    """Return the weights in the precision of `like`, without turning nonzeros into zeros.

    Raises `MethodError` if a weight is beyond the precision's range.
    """
    return {name: _rounded(name, weight, like[name].dtype) for name, weight in found.items()}


def _rounded(name: str, weight: Tensor, dtype: torch.dtype) -> Tensor:
    if weight.dtype == dtype:
        return weight
    result = weight.to(dtype)
    if not bool(result.isfinite().all()):
        raise MethodError(
            f"returned weights of layer {name} beyond the range of {dtype}: the largest is "
            f"{float(weight.abs().max()):g}"
        )
    smallest = torch.finfo(dtype).smallest_normal
    lost = (result == 0) & (weight != 0)
    return torch.where(lost, weight.sign().to(dtype) * smallest, result)
