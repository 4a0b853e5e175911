"""Per-example gradients G [m, d], kept by layer: as a matrix, or as a linear layer's two factors.

The gradient of one example for a linear layer is an outer product δ aᵀ. Kept as δ and a, m of them
take m (out + in) numbers instead of m out in, and their Gram matrix is (Δ Δᵀ) ∘ (A Aᵀ), where ∘ is
the elementwise product, at m² (out + in) multiplications instead of m² out in. A convolution's
gradients are sums over T positions, and the same would take m² T² (out + in) multiplications: they
are kept as a matrix.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bench.problem.gradients.signal import Signal

BLOCK = 128
"""Number of rows of G Gᵀ computed at once. What lies above the diagonal blocks isn't computed,
which saves about a third of the time."""


class Gradients(Protocol):
    """A matrix G [m, d] with one gradient per row, in whatever form it is kept."""

    @property
    def shape(self) -> tuple[int, int]:
        """The pair (m, d)."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which G is kept."""

    @property
    def gram_columns(self) -> int:
        """How many columns of a matrix take as long to multiply as `gram` does."""

    def dense(self) -> Tensor:
        """Return G as one tensor [m, d]."""

    def columns(self, width: int) -> Iterator[Tensor]:
        """Iterate over the columns of G in double precision, about `width` columns at a time."""

    def gram(self) -> Tensor:
        """Return G Gᵀ [m, m] in double precision; only its lower triangle has to be filled."""

    def times(self, vector: Tensor) -> Tensor:
        """Return G v [m] for a vector v [d]."""

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Return Gᵀ u [d] for a vector u [m]."""


class LayerGradients(Gradients, Protocol):
    """The gradients of one layer, written chunk by chunk as they are computed."""

    def fill(self, first: int, signal: Signal) -> None:
        """Write the gradients of a chunk of examples into the rows of G that begin at `first`."""


@dataclass(frozen=True)
class DenseGradients:
    """Gradients kept as a matrix [m, d]."""

    matrix: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """The pair (m, d)."""
        return self.matrix.shape[0], self.matrix.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the matrix."""
        return self.matrix.dtype

    @property
    def gram_columns(self) -> int:
        """All d of them."""
        return self.matrix.shape[1]

    def dense(self) -> Tensor:
        """Return the matrix itself, not a copy."""
        return self.matrix

    def columns(self, width: int) -> Iterator[Tensor]:
        """Iterate over the columns in double precision, `width` at a time; the rest comes last."""
        for part in self.matrix.split(width, dim=1):
            yield part.double()

    def gram(self) -> Tensor:
        """Return G Gᵀ [m, m], computed in blocks of rows up to the diagonal only."""
        gram = self.matrix.new_zeros(len(self.matrix), len(self.matrix), dtype=torch.float64)
        for columns in self.columns(8192):
            for start in range(0, len(gram), BLOCK):
                stop = min(start + BLOCK, len(gram))
                gram[start:stop, :stop].addmm_(columns[start:stop], columns[:stop].T)
        return gram

    def times(self, vector: Tensor) -> Tensor:
        """Return G v [m]."""
        return self.matrix @ vector

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Return Gᵀ u [d]."""
        return vector @ self.matrix

    def fill(self, first: int, signal: Signal) -> None:
        """Write the gradients of a chunk of examples into the rows that begin at `first`."""
        gradients = signal.gradients()
        self.matrix[first : first + len(gradients)] = gradients


@dataclass(frozen=True)
class OuterGradients:
    """Gradients δ_i ⊗ a_i of a linear layer: Δ in `outputs` [m, out] and A in `inputs` [m, in]."""

    outputs: Tensor
    inputs: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """The pair (m, out × in)."""
        return len(self.outputs), self.outputs.shape[1] * self.inputs.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the factors."""
        return self.inputs.dtype

    @property
    def gram_columns(self) -> int:
        """Those of both factors, out + in."""
        return self.outputs.shape[1] + self.inputs.shape[1]

    def dense(self) -> Tensor:
        """Return all outer products [m, out * in]."""
        return _outer(self.outputs, self.inputs)

    def columns(self, width: int) -> Iterator[Tensor]:
        """Iterate over the columns of G in double precision, by groups of whole output units."""
        inputs = self.inputs.double()
        units = max(1, width // inputs.shape[1])
        for outputs in self.outputs.double().split(units, dim=1):
            yield _outer(outputs, inputs)

    def gram(self) -> Tensor:
        """Return (Δ Δᵀ) ∘ (A Aᵀ) [m, m], with both triangles filled."""
        outputs, inputs = self.outputs.double(), self.inputs.double()
        return (outputs @ outputs.T).mul_(inputs @ inputs.T)

    def times(self, vector: Tensor) -> Tensor:
        """Return G v [m]: δ_iᵀ V a_i for each example i, where V [out, in] is v in matrix form."""
        values = vector.view(self.outputs.shape[1], self.inputs.shape[1])
        return ((self.inputs @ values.T) * self.outputs).sum(1)

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Return Gᵀ u = Σ_i u_i δ_i a_iᵀ, flattened to [out * in]."""
        return ((self.outputs * vector.unsqueeze(1)).T @ self.inputs).flatten()

    def fill(self, first: int, signal: Signal) -> None:
        """Write the factors of a chunk of examples into the rows that begin at `first`."""
        rows = slice(first, first + signal.examples)
        self.outputs[rows] = signal.output_gradients.squeeze(2)
        self.inputs[rows] = signal.inputs.squeeze(2)


@dataclass(frozen=True)
class JoinedGradients:
    """The gradients of several layers, joined along the columns."""

    layers: Sequence[Gradients]

    @property
    def shape(self) -> tuple[int, int]:
        """The pair (m, d), where d is the sum of the layers' sizes."""
        return self.layers[0].shape[0], sum(layer.shape[1] for layer in self.layers)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the gradients, which all layers share."""
        return self.layers[0].dtype

    @property
    def gram_columns(self) -> int:
        """The sum over the layers."""
        return sum(layer.gram_columns for layer in self.layers)

    def dense(self) -> Tensor:
        """Return the gradients of all layers as one matrix [m, d]."""
        return torch.cat([layer.dense() for layer in self.layers], dim=1)

    def columns(self, width: int) -> Iterator[Tensor]:
        """Iterate over the columns in double precision, layer by layer."""
        for layer in self.layers:
            yield from layer.columns(width)

    def gram(self) -> Tensor:
        """Return G Gᵀ [m, m], the sum of the layers' Gram matrices."""
        return functools.reduce(Tensor.add_, (layer.gram() for layer in self.layers))

    def times(self, vector: Tensor) -> Tensor:
        """Return G v [m], the sum of the layers' products."""
        pieces = vector.split([layer.shape[1] for layer in self.layers])
        products = [layer.times(piece) for layer, piece in zip(self.layers, pieces, strict=True)]
        return torch.stack(products).sum(0)

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Return Gᵀ u [d], the layers' products joined in order."""
        return torch.cat([layer.transposed_times(vector) for layer in self.layers])


def empty_gradients(weight: Tensor, samples: int, outer: bool) -> LayerGradients:
    """Allocate storage for `samples` gradients of a weight [out, ...], to be filled chunk by chunk.

    With `outer` they are kept as factors, which only a weight [out, in] allows that each example
    uses at one position.
    """
    if outer:
        outputs, inputs = (weight.new_zeros(samples, side) for side in weight.shape)
        return OuterGradients(outputs, inputs)
    return DenseGradients(weight.new_zeros(samples, weight.numel()))


def gradient_length(weight: Tensor, outer: bool) -> int:
    """Return how many numbers one gradient of the weight takes, in full or (`outer`) as factors."""
    return sum(weight.shape) if outer else weight.numel()


def _outer(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Return the row-wise outer products [m, out * in] of [m, out] and [m, in]."""
    return (outputs.unsqueeze(2) * inputs.unsqueeze(1)).flatten(1)
