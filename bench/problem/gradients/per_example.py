"""Per-example gradients G [m, d] by layer: a matrix, or the factors of a linear layer's.

The gradient of one example for a linear layer is an outer product δ aᵀ. Kept as δ and a, m of them
take m (out + in) numbers instead of m out in, and their Gram matrix is (Δ Δᵀ) ∘ (A Aᵀ), with an
elementwise product, at m² (out + in) multiplications instead of m² out in. For a convolution, whose
gradients sum over T positions, it would take m² T² (out + in): those are kept as a matrix.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bench.problem.gradients.signal import Signal

BLOCK = 128
"""Rows of G Gᵀ handled at once; the half above the diagonal is left out, at a gain of a third."""


class Gradients(Protocol):
    """A matrix G [m, d] with a row a gradient, by what can be done with it."""

    @property
    def shape(self) -> tuple[int, int]:
        """m and d."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which G is kept."""

    def dense(self) -> Tensor:
        """G itself, [m, d]."""

    def columns(self, width: int) -> Iterator[Tensor]:
        """G in double precision, about so many columns at a time."""

    def gram(self) -> Tensor:
        """G Gᵀ [m, m] in double precision; only the lower triangle need be filled."""

    def times(self, vector: Tensor) -> Tensor:
        """G v [m] for a vector [d]."""

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Gᵀ u [d] for a vector [m]."""


class LayerGradients(Gradients, Protocol):
    """The gradients of one layer, filled in as gradients come."""

    def fill(self, first: int, signal: Signal) -> None:
        """Write the gradients of some examples into the rows of G from `first` on."""


@dataclass(frozen=True)
class DenseGradients:
    """Gradients kept as a matrix."""

    matrix: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """m and d."""
        return self.matrix.shape[0], self.matrix.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """That of the matrix."""
        return self.matrix.dtype

    def dense(self) -> Tensor:
        """The matrix, not a copy."""
        return self.matrix

    def columns(self, width: int) -> Iterator[Tensor]:
        """Exactly `width` columns at a time, but for the last."""
        for part in self.matrix.split(width, dim=1):
            yield part.double()

    def gram(self) -> Tensor:
        """Block by block of G's rows, up to the diagonal."""
        gram = self.matrix.new_zeros(len(self.matrix), len(self.matrix), dtype=torch.float64)
        for columns in self.columns(8192):
            for start in range(0, len(gram), BLOCK):
                stop = min(start + BLOCK, len(gram))
                gram[start:stop, :stop].addmm_(columns[start:stop], columns[:stop].T)
        return gram

    def times(self, vector: Tensor) -> Tensor:
        """G v."""
        return self.matrix @ vector

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Gᵀ u."""
        return vector @ self.matrix

    def fill(self, first: int, signal: Signal) -> None:
        """Write whole gradients."""
        gradients = signal.gradients()
        self.matrix[first : first + len(gradients)] = gradients


@dataclass(frozen=True)
class OuterGradients:
    """Gradients δ_i ⊗ a_i of a linear layer: Δ `outputs` [m, out] and A `inputs` [m, in]."""

    outputs: Tensor
    inputs: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """m and out × in."""
        return len(self.outputs), self.outputs.shape[1] * self.inputs.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """That of the factors."""
        return self.inputs.dtype

    def dense(self) -> Tensor:
        """All outer products, [m, out * in]."""
        return _outer(self.outputs, self.inputs)

    def columns(self, width: int) -> Iterator[Tensor]:
        """The columns of some whole output units at a time."""
        inputs = self.inputs.double()
        units = max(1, width // inputs.shape[1])
        for outputs in self.outputs.double().split(units, dim=1):
            yield _outer(outputs, inputs)

    def gram(self) -> Tensor:
        """(Δ Δᵀ) ∘ (A Aᵀ), both triangles."""
        outputs, inputs = self.outputs.double(), self.inputs.double()
        return (outputs @ outputs.T).mul_(inputs @ inputs.T)

    def times(self, vector: Tensor) -> Tensor:
        """δ_iᵀ V a_i for each row."""
        values = vector.view(self.outputs.shape[1], self.inputs.shape[1])
        return ((self.inputs @ values.T) * self.outputs).sum(1)

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Σ_i u_i δ_i a_iᵀ, flattened."""
        return ((self.outputs * vector.unsqueeze(1)).T @ self.inputs).flatten()

    def fill(self, first: int, signal: Signal) -> None:
        """Write the factors."""
        rows = slice(first, first + signal.examples)
        self.outputs[rows] = signal.output_gradients.squeeze(2)
        self.inputs[rows] = signal.inputs.squeeze(2)


@dataclass(frozen=True)
class JoinedGradients:
    """The gradients of all layers side by side."""

    layers: Sequence[Gradients]

    @property
    def shape(self) -> tuple[int, int]:
        """m and the sum of the layers' sizes."""
        return self.layers[0].shape[0], sum(layer.shape[1] for layer in self.layers)

    @property
    def dtype(self) -> torch.dtype:
        """That of every layer."""
        return self.layers[0].dtype

    def dense(self) -> Tensor:
        """A matrix [m, d] of all layers."""
        return torch.cat([layer.dense() for layer in self.layers], dim=1)

    def columns(self, width: int) -> Iterator[Tensor]:
        """Layer by layer."""
        for layer in self.layers:
            yield from layer.columns(width)

    def gram(self) -> Tensor:
        """The sum over layers."""
        return functools.reduce(Tensor.add_, (layer.gram() for layer in self.layers))

    def times(self, vector: Tensor) -> Tensor:
        """The sum over layers."""
        pieces = vector.split([layer.shape[1] for layer in self.layers])
        products = [layer.times(piece) for layer, piece in zip(self.layers, pieces, strict=True)]
        return torch.stack(products).sum(0)

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Layer after layer."""
        return torch.cat([layer.transposed_times(vector) for layer in self.layers])


def empty_gradients(weight: Tensor, samples: int, outer: bool) -> LayerGradients:
    """Room for `samples` gradients of a weight [out, ...], yet to be filled.

    `outer` keeps them as factors, which a weight [out, in] used at one position allows.
    """
    if outer:
        outputs, inputs = (weight.new_zeros(samples, side) for side in weight.shape)
        return OuterGradients(outputs, inputs)
    return DenseGradients(weight.new_zeros(samples, weight.numel()))


def gradient_length(weight: Tensor, outer: bool) -> int:
    """How many numbers one gradient takes, whole or as factors."""
    return sum(weight.shape) if outer else weight.numel()


def _outer(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Row-wise outer products of [m, out] and [m, in], [m, out * in]."""
    return (outputs.unsqueeze(2) * inputs.unsqueeze(1)).flatten(1)
