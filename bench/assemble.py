"""Gradients put together from the signals of layers: one matrix, or rows by layer."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from bench.gradients import Signal
from bench.rows import JoinedRows, empty_rows, row_length
from bench.weights import Weights

Chunks = Iterable[dict[str, Signal]]
"""Signals by parameter name, some examples at a time."""


def mean_gradients(chunks: Chunks, weights: Weights, samples: int, batch: int) -> Tensor:
    """Gradients [samples, d] of these weights, each the mean over `batch` examples."""
    sizes = [weight.numel() for weight in weights.values()]
    rows = next(iter(weights.values())).new_zeros(samples, sum(sizes))
    columns = rows.split(sizes, dim=1)
    row = torch.arange(samples, device=rows.device).repeat_interleave(batch)
    for chunk in chunks:
        count = len(next(iter(chunk.values())).given)
        for layer, signal in zip(columns, chunk.values(), strict=True):
            layer.index_add_(0, row[:count], signal.gradients(), alpha=1 / batch)
        row = row[count:]
    return rows


def layer_rows(
    chunks: Chunks, modules: Mapping[str, nn.Module], weights: Weights, samples: int
) -> JoinedRows:
    """Rows of these weights, an example each, those of linear layers as factors."""
    rows = {name: empty_rows(modules[name], weights[name], samples) for name in weights}
    first = 0
    for chunk in chunks:
        for name, signal in chunk.items():
            rows[name].fill(first, signal)
        first += len(signal.given)
    return JoinedRows(list(rows.values()))


def row_bytes(modules: Mapping[str, nn.Module], weights: Weights, whole: bool) -> dict[str, int]:
    """Bytes that one row of each layer takes: whole, or in the form that suits it."""
    lengths = {
        name: weight.numel() if whole else row_length(modules[name], weight)
        for name, weight in weights.items()
    }
    return {name: lengths[name] * weight.element_size() for name, weight in weights.items()}
