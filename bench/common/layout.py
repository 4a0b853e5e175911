"""The memory layout of tensors, which no model, method or file should notice.

Convolutions take about a quarter less time on images whose channels are adjacent in memory. Most
models compute the same on such images, but one that calls `view` on an activation may not. So the
model of each pair is tried on two examples, and gets images in the plain layout if anything
differs. Weights always have the plain layout: PyTorch rearranges them inside each convolution,
which gives the same bits and takes 2 % of a training step.
"""

import copy
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bench.common.errors import UserError


class LaidOut(Protocol):
    """Images that are handed out in a memory layout."""

    layout: torch.memory_format


ImagesT = TypeVar("ImagesT", bound=LaidOut)


def laid_out(images: ImagesT, layout: torch.memory_format) -> ImagesT:
    """Return the same images, sharing their memory, but handed out in this layout."""
    changed = copy.copy(images)
    changed.layout = layout
    return changed


def arranged(inputs: Tensor, layout: torch.memory_format) -> Tensor:
    """Return the inputs in this layout if they are images [n, c, h, w], otherwise unchanged."""
    return inputs.contiguous(memory_format=layout) if inputs.dim() == 4 else inputs


def fitting_layout(model: nn.Module, inputs: Tensor) -> torch.memory_format:
    """Return channels last if the model computes the same on such images, else the plain layout.

    A copy of the model is tried on the inputs [n, ...], forward and backward, in evaluation and in
    training mode. The plain layout is returned if it raises an exception, if outputs differ by more
    than rounding, and for a model without two-dimensional convolutions, which has nothing to gain.
    """
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    if inputs.dim() != 4 or not convolves:
        return torch.contiguous_format
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            with torch.no_grad():
                plain = copy.deepcopy(model).eval()(inputs.contiguous())
            last = _tried(model, inputs.contiguous(memory_format=torch.channels_last))
        same = _same(plain, last)
    except Exception:  # whatever the model raises: it may accept other images
        same = False
    return torch.channels_last if same else torch.contiguous_format


def _tried(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return a copy's outputs in evaluation mode; it runs backward and in training mode as well."""
    tried = copy.deepcopy(model)
    for parameter in tried.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    with torch.enable_grad():
        outputs: Tensor = tried.eval()(inputs)
        outputs.float().sum().backward()
        tried.train()(inputs).float().sum().backward()
    return outputs.detach()


def _same(one: Tensor, other: Tensor) -> bool:
    """Return whether the outputs differ by no more than rounding; False if they hold NaN."""
    rounding = torch.finfo(one.dtype).eps ** 0.5
    return bool((one - other).abs().max() <= rounding * one.abs().max())


def own_memory(model: nn.Module) -> nn.Module:
    """Make every parameter and buffer contiguous, and return the model; shared ones stay shared.

    Otherwise a buffer made by `expand` couldn't be loaded. Raises `UserError` if two parameters
    overlap in memory without being the same one: copies of the model would separate them.
    """
    _refuse_overlaps(model)
    for tensor in (*model.parameters(), *model.buffers()):
        if _strided(tensor) and not tensor.is_contiguous():
            tensor.data = tensor.data.contiguous()
    return model


def _refuse_overlaps(model: nn.Module) -> None:
    owners: dict[tuple[int, torch.dtype], dict[str, Tensor]] = {}
    for name, parameter in model.named_parameters():
        if _strided(parameter) and parameter.numel() and not parameter.is_meta:
            memory = (parameter.untyped_storage().data_ptr(), parameter.dtype)
            owners.setdefault(memory, {})[name] = parameter
    for sharing in owners.values():
        if len(sharing) > 1:
            _refuse_overlap(sharing)


def _refuse_overlap(sharing: dict[str, Tensor]) -> None:
    """Raise `UserError` if two of these parameters of one storage have an element in common."""
    first = next(iter(sharing.values()))
    places = torch.arange(first.untyped_storage().nbytes() // first.element_size())
    owner = torch.full_like(places, -1)
    names = list(sharing)
    for number, parameter in enumerate(sharing.values()):
        own = places.as_strided(parameter.shape, parameter.stride(), parameter.storage_offset())
        before = int(owner[own].max())
        if before >= 0:
            raise UserError(
                f"The parameters {names[before]} and {names[number]} lie in the same memory "
                "without being one Parameter, so that a copy of the model would tear them apart: "
                "assign the same nn.Parameter to both."
            )
        owner[own] = number


def _strided(tensor: Tensor) -> bool:
    """Return whether the tensor has memory and strides, which lazy and sparse ones haven't."""
    return not is_lazy(tensor) and tensor.layout is torch.strided
