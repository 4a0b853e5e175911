"""Kronecker factors of curvature: one block per layer, as two factors and never as a matrix.

For a layer y = W a let δ be the loss's gradient with respect to y. In row-major order the gradient
δ aᵀ of W [out, in] is the vector δ ⊗ a, so F = E[δδᵀ ⊗ aaᵀ] ≈ S ⊗ A with S = E[δδᵀ], A = E[aaᵀ].
(Papers that stack columns write A ⊗ S for the same matrix.) A convolution in G groups has a block
for each group: all matrices here then have a first dimension of G, and the flat vector holds the
groups' weights one after another, as the layer's own weight does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.problem.gradients.signal import Signal
from methods.curvature.products import add_products, assert_no_overflow


@dataclass(frozen=True)
class Factors:
    """The factors of one layer, S in `output` [out, out] and A in `input` [in, in].

    Of a convolution in several groups they are [groups, out, out] and [groups, in, in], with the
    outputs and inputs of one group. Both are in double precision.
    """

    output: Tensor
    input: Tensor

    def damped(self, damping: float, pi: bool = False) -> "Factors":
        """Return S + (√λ/π) I and A + π√λ I, so that the product's damping is λ = `damping`.

        Without `pi`, π = 1. With it, π² = (tr A / dim A) / (tr S / dim S), which divides the
        damping by the factors' sizes; it is 1 if either trace is zero. Source: Martens & Grosse
        2015, section 6.3. Each group of a convolution has a π of its own.
        """
        ratio = self._pi() if pi else torch.ones_like(self.input[..., 0, 0])
        root = damping**0.5
        return Factors(_shifted(self.output, root / ratio), _shifted(self.input, root * ratio))

    def _pi(self) -> Tensor:
        """Return π of each group, or of the one block as a tensor of no dimension."""
        sizes = [diagonal_of(factor).mean(-1) for factor in (self.input, self.output)]
        pairs = zip(*(size.flatten().tolist() for size in sizes), strict=True)
        ratios = [(a / s) ** 0.5 if min(a, s) > 0 else 1.0 for a, s in pairs]
        return sizes[0].new_tensor(ratios).view(sizes[0].shape)

    @property
    def diagonal(self) -> Tensor:
        """The diagonal of S ⊗ A, [out * in], of all groups."""
        output, given = diagonal_of(self.output), diagonal_of(self.input)
        return (output.unsqueeze(-1) * given.unsqueeze(-2)).flatten()

    def matrices(self, vector: Tensor) -> Tensor:
        """Return weights of the layer, of any shape, as V [out, in] or [groups, out, in]."""
        return vector.reshape(*self.output.shape[:-1], self.input.shape[-1])


def fisher_factors(chunks: Iterable[dict[str, Signal]]) -> dict[str, Factors]:
    """Return S and A of each layer, from the signals of m examples in chunks.

    A = (1/m) Σ_i Σ_t a_it a_itᵀ and S = (1/m) Σ_i (1/T) Σ_t δ_it δ_itᵀ over the T positions of a
    convolution, for each of its groups; T = 1 for a linear layer. If positions are uncorrelated and
    identically distributed, a gradient Σ_t δ_t a_tᵀ has the second moment T E[δδᵀ] ⊗ E[aaᵀ] = S ⊗
    A. Cost: O(m T (out² + in²)) time for each group. Source: Martens & Grosse 2015; Grosse &
    Martens 2016 (KFC), equations 21 and 22.

    Precision and errors are those of `Moments`.
    """
    inputs, outputs = Moments(), Moments()
    for chunk in chunks:
        for name, signal in chunk.items():
            inputs.add({name: signal.inputs})
            outputs.add({name: signal.output_gradients})
    given = inputs.means
    return {
        name: Factors(output / outputs.positions[name], given[name])
        for name, output in outputs.means.items()
    }


class Moments:
    """Second moments (1/n) Σ_i Σ_t x_it x_itᵀ of each layer's columns, summed in double precision.

    Columns in single precision are multiplied in single where they have many positions, see
    `add_products`.
    """

    def __init__(self) -> None:
        self.examples: dict[str, int] = {}
        self.positions: dict[str, int] = {}
        self._totals: dict[str, Tensor] = {}

    def add(self, columns: dict[str, Tensor]) -> None:
        """Add the columns [n, side, positions] of n more examples for each layer.

        Those of a convolution in several groups are [n, groups, side, positions].
        """
        for name, given in columns.items():
            self.examples[name] = self.examples.get(name, 0) + len(given)
            *sides, self.positions[name] = given.shape[1:]
            if name not in self._totals:
                self._totals[name] = given.new_zeros(*sides, sides[-1], dtype=torch.float64)
            add_products(self._totals[name], given)

    @property
    def means(self) -> dict[str, Tensor]:
        """The moments by layer: summed over positions, averaged over examples.

        They are [side, side], or [groups, side, side] for a convolution in several groups. Raises
        `MethodError` if they overflow.
        """
        for name, total in self._totals.items():
            assert_no_overflow(f"the second moments of the layer of {name}", total)
        return {name: total / self.examples[name] for name, total in self._totals.items()}


def diagonal_of(matrices: Tensor) -> Tensor:
    """Return the diagonals [..., side] of matrices [..., side, side], as a view."""
    return matrices.diagonal(dim1=-2, dim2=-1)


def _shifted(factor: Tensor, amount: Tensor) -> Tensor:
    """Return factor + amount × I, with an amount for each group."""
    moved = factor.clone()
    diagonal_of(moved).add_(amount.unsqueeze(-1))
    return moved
