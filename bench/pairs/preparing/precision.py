"""Models that compute in less than single precision: curvature doesn't, and rounds once at the end.

In float16 most entries of an inverse Fisher's diagonal are infinite (1/λ is 10⁵), and gradients
underflow. So methods work on a copy of the model in single precision, with accumulations in double
as always, and what they return is rounded to the model's own precision.
"""

import copy

import torch
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.problem.weights import Weights

HALF = (torch.float16, torch.bfloat16)


def own_dtype(model: nn.Module) -> torch.dtype:
    """The floating-point type of all the model's parameters, or single where they differ."""
    found = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    return found.pop() if len(found) == 1 else torch.float32


@torch.no_grad()
def input_dtype(model: nn.Module, inputs: Tensor) -> torch.dtype:
    """The type in which the model takes its inputs: its own, or else single precision."""
    own = own_dtype(model)
    if own == torch.float32:
        return own
    try:
        copy.deepcopy(model).eval()(inputs.to(own))  # a copy: forward passes may count
    except RuntimeError:
        return torch.float32
    return own


@torch.no_grad()
def runs_in_single(model: nn.Module, inputs: Tensor) -> bool:
    """Whether the model has parameters in half precision, and a copy of it in single runs.

    One that converts to half in its own forward pass doesn't; passes then are in half precision.
    """
    if not any(parameter.dtype in HALF for parameter in model.parameters()):
        return False
    try:
        in_single(model)(inputs.float())
    except RuntimeError:
        return False
    return True


def in_single(model: nn.Module) -> nn.Module:
    """A copy of the model in single precision."""
    return copy.deepcopy(model).float()


def rounded(found: Weights, like: Weights) -> Weights:
    """The weights in the precision of `like`; those that aren't zero don't become zero by it.

    Raises `MethodError` where one is beyond the precision's range.
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
