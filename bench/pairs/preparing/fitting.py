"""In which precision and memory layout a model is given its inputs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.common.layout import fitting_layout, laid_out
from bench.pairs.preparing.precision import input_dtype
from datasets.inputs.split_inputs import Inputs


def fitting(model: nn.Module, few: Tensor) -> Callable[[Inputs], Inputs]:
    """What gives a split in the precision and the memory layout that the model takes best.

    `few` are some of its inputs [n, ...] in single precision, to try the model on.
    """
    dtype = input_dtype(model, few)
    layout = fitting_layout(model, few.to(dtype))
    return lambda images: laid_out(images.typed(dtype), layout)


def first_few(images: Inputs) -> Tensor:
    """Two inputs [2, ...] to try a model on, or one where there are no more."""
    few, _ = images.batch(torch.arange(min(2, len(images))))
    return few
