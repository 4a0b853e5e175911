"""Gradients put together from the signals of layers: one matrix, or layer by layer."""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedGradients, empty_gradients, gradient_length
from bench.problem.gradients.signal import Signal
from bench.problem.weights import Weights

Chunks = Iterable[dict[str, Signal]]
"""Signals by parameter name, some examples at a time."""


def mean_gradients(chunks: Chunks, weights: Weights, samples: int, batch: int) -> Tensor:
    """Gradients [samples, d] of these weights, each the mean over `batch` examples."""
    sizes = [weight.numel() for weight in weights.values()]
    gradients = next(iter(weights.values())).new_zeros(samples, sum(sizes))
    columns = gradients.split(sizes, dim=1)
    row = torch.arange(samples, device=gradients.device).repeat_interleave(batch)
    for chunk in chunks:
        count = next(iter(chunk.values())).examples
        for layer, signal in zip(columns, chunk.values(), strict=True):
            layer.index_add_(0, row[:count], signal.gradients(), alpha=1 / batch)
        row = row[count:]
    return gradients


def by_layer(
    chunks: Chunks, outer: Collection[str], weights: Weights, samples: int
) -> JoinedGradients:
    """Gradients of these weights, an example each, those of the layers in `outer` as factors."""
    found = {name: empty_gradients(weights[name], samples, name in outer) for name in weights}
    first = 0
    for chunk in chunks:
        for name, signal in chunk.items():
            found[name].fill(first, signal)
        first += signal.examples
    return JoinedGradients(list(found.values()))


def gradient_bytes(outer: Collection[str], weights: Weights) -> dict[str, int]:
    """Bytes that one row of each layer takes: whole, or as factors for the layers in `outer`."""
    lengths = {name: gradient_length(weight, name in outer) for name, weight in weights.items()}
    return {name: lengths[name] * weight.element_size() for name, weight in weights.items()}
