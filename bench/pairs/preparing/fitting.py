"""The precision and the memory layout in which a model is given its inputs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.common.layout import fitting_layout, laid_out
from bench.pairs.preparing.precision import converted, input_dtype
from datasets.inputs.split_inputs import Inputs


def fitting(model: nn.Module, few: Tensor) -> Callable[[Inputs], Inputs]:
    """Return a function that gives a split the precision and memory layout the model takes best.

    `few` are some inputs [n, ...] on which the model is tried, fractional ones in single precision.
    """
    dtype = input_dtype(model, few)
    layout = fitting_layout(model, converted(few, dtype))
    return lambda images: laid_out(images.typed(dtype), layout)


def first_few(images: Inputs) -> Tensor:
    """Return two inputs [2, ...] to try a model on, or one if there are no more."""
    return first_two(images)[0]


def first_two(images: Inputs) -> tuple[Tensor, Tensor]:
    """Return the first two inputs [2, ...] with their targets, or one if there are no more."""
    return images.batch(torch.arange(min(2, len(images))))
