"""Checks what a pair's model consists of, before anything is computed with it."""

import copy
from textwrap import shorten

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.nn.utils.parametrize import is_parametrized

from bench.common.errors import UserError
from bench.pairs.pair import Pair

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""The floating-point types that a prunable parameter may have."""
LONGEST = 300
"""The most characters shown of an error from code outside the suite."""

COMPUTED = ("_g", "_v", "_orig")
"""Endings of the names of parameters from which PyTorch's older hooks compute a layer's weight."""


def built(pair: Pair) -> nn.Module:
    """Return the pair's model on the CPU; raises `UserError` if it can't be used.

    Its parameters keep the `requires_grad` flags that the pair gave them.
    """
    try:
        model = pair.build()
    except UserError:
        raise
    except Exception as error:
        raise refused(pair, f"it can't be built: {sentence(error)}") from error
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
            raise refused(
                pair,
                f"{name or 'it'} is scripted or compiled, where layers can't be watched; give the "
                "plain module",
            )
    tensors = dict([*model.named_parameters(), *model.named_buffers()])
    for name, tensor in tensors.items():
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            raise refused(pair, f"{name} is lazy, without a shape: build it with its sizes")
        if tensor.is_meta:
            raise refused(pair, f"{name} is on the device meta, without numbers")
    if not any(True for _ in model.parameters()):
        raise refused(pair, "it has no parameters")
    return model


def checked_prunable(pair: Pair, model: nn.Module) -> dict[str, str]:
    """Return the module of each prunable parameter by name; raises `UserError` for a bad rule."""
    prunable = pair.prunable_parameters(model)
    if not prunable:
        names = [name for name, parameter in model.named_parameters() if parameter.dim() > 1]
        raise UserError(
            f"Nothing of the pair {pair.name} is prunable: its rule {pair.prunable!r} matches "
            f"none of the weights {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}."
        )
    for name, path in prunable.items():
        problem = _problem(model, name, path)
        if problem:
            raise UserError(f"The pair {pair.name} can't prune {name}: {problem}.")
    try:
        copy.deepcopy(model)
    except Exception as error:
        raise refused(pair, f"it can't be copied: {sentence(error)}") from error
    return prunable


def _problem(model: nn.Module, name: str, path: str) -> str | None:
    """Return why this parameter can't be pruned, or None if it can."""
    parameter, module = model.get_parameter(name), model.get_submodule(path)
    if ".parametrizations." in f".{name}" or is_parametrized(module):
        return (
            "its layer is parametrised, so that its weight is computed from other numbers and "
            "zeros wouldn't stay; remove the parametrisation from the trained model first"
        )
    last = name.rpartition(".")[2]
    if any(last.endswith(end) and hasattr(module, last.removesuffix(end)) for end in COMPUTED):
        return (
            "a hook computes the layer's weight from it (weight_norm, spectral_norm or a mask), so "
            "that zeros wouldn't stay; remove the hook from the trained model first"
        )
    if parameter.dim() < 2:
        return (
            f"its shape is {list(parameter.shape)}, a bias or a scale; weights of two dimensions "
            "or more can be pruned, so let the rule end with weight"
        )
    if parameter.dtype not in DTYPES:
        return f"its type is {parameter.dtype}, where a floating-point type is expected"
    if not parameter.requires_grad:
        return "the model freezes it (requires_grad=False); unfreeze it or leave it out of the rule"
    return None


def dense_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the part of the model's state that consists of dense tensors."""
    return {
        name: value
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor) and value.layout is torch.strided
    }


def refused(pair: Pair, reason: str) -> UserError:
    """Return the error for a model that can't be used."""
    return UserError(f"The model of pair {pair.name} can't be used: {reason}.")


def sentence(error: Exception) -> str:
    """Return the beginning of an error from code outside the suite, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {shorten(text, LONGEST)}".rstrip(":. ")
