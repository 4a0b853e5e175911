"""Assembles per-example gradients from the signals of layers, as one matrix or layer by layer."""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedGradients, empty_gradients, gradient_length
from bench.problem.gradients.signal import Signal
from bench.problem.weights import Weights

Chunks = Iterable[dict[str, Signal]]
"""The signals of some examples at a time, by parameter name."""


def mean_gradients(chunks: Chunks, weights: Weights, samples: int, batch: int) -> Tensor:
    """Return gradients [samples, d] of these weights, each the mean over `batch` examples.

    `chunks` must yield samples × batch examples. The columns of the layers are joined in order.
    """
    sizes = [weight.numel() for weight in weights.values()]
    gradients = next(iter(weights.values())).new_zeros(samples, sum(sizes))
    columns = gradients.split(sizes, dim=1)
    done = 0
    for chunk in chunks:
        count = next(iter(chunk.values())).examples
        rows = torch.arange(done, done + count, device=gradients.device) // batch
        rows, runs = rows.unique_consecutive(return_counts=True)
        for layer, signal in zip(columns, chunk.values(), strict=True):
            layer.index_add_(0, rows, signal.sums(runs.tolist()), alpha=1 / batch)
        done += count
    return gradients


def by_layer(
    chunks: Chunks, outer: Collection[str], weights: Weights, samples: int
) -> JoinedGradients:
    """Return one gradient per example [samples, d] of these weights, kept layer by layer.

    The gradients of the layers named in `outer` are kept as their two factors δ and a.
    """
    found = {name: empty_gradients(weights[name], samples, name in outer) for name in weights}
    first = 0
    for chunk in chunks:
        for name, signal in chunk.items():
            found[name].fill(first, signal)
        first += signal.examples
    return JoinedGradients(list(found.values()))


def gradient_bytes(outer: Collection[str], weights: Weights) -> dict[str, int]:
    """Return the bytes that one gradient of each layer takes.

    Gradients of the layers named in `outer` are kept as factors, those of the others in full.
    """
    lengths = {name: gradient_length(weight, name in outer) for name, weight in weights.items()}
    return {name: lengths[name] * weight.element_size() for name, weight in weights.items()}
