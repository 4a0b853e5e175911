"""Kronecker-factored curvature: one block per layer, held as two factors and never as a matrix.

For a layer y = W a let δ be the loss's gradient with respect to y. In row-major order the gradient
δ aᵀ of W [out, in] is the vector δ ⊗ a, so F = E[δδᵀ ⊗ aaᵀ] ≈ S ⊗ A with S = E[δδᵀ], A = E[aaᵀ].
(Papers that stack columns write A ⊗ S for the same matrix.)
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.common.errors import MethodError
from bench.problem.gradients.signal import Signal
from methods.curvature.products import add_products, assert_no_overflow


@dataclass(frozen=True)
class Factors:
    """The factors of one layer, S in `output` [out, out] and A in `input` [in, in].

    Both are in double precision.
    """

    output: Tensor
    input: Tensor

    def damped(self, damping: float, pi: bool = False) -> "Factors":
        """Return S + (√λ/π) I and A + π√λ I, so that the product's damping is λ = `damping`.

        Without `pi`, π = 1. With it, π² = (tr A / dim A) / (tr S / dim S), which divides the
        damping by the factors' sizes; it is 1 if either trace is zero. Source: Martens & Grosse
        2015, section 6.3.
        """
        ratio = 1.0
        if pi:
            sizes = [float(factor.diagonal().mean()) for factor in (self.input, self.output)]
            ratio = (sizes[0] / sizes[1]) ** 0.5 if min(sizes) > 0 else 1.0
        root = damping**0.5
        return Factors(_shifted(self.output, root / ratio), _shifted(self.input, root * ratio))

    @property
    def diagonal(self) -> Tensor:
        """The diagonal of S ⊗ A, [out * in]."""
        return torch.outer(self.output.diagonal(), self.input.diagonal()).flatten()


class KroneckerInverse:
    """(S ⊗ A)⁻¹ = S⁻¹ ⊗ A⁻¹ of one layer, over its flattened weights [out * in].

    The diagonal is diag S⁻¹ ⊗ diag A⁻¹, the product with V [out, in] is S⁻¹ V A⁻¹. Both factors are
    inverted by Cholesky in double precision. Cost: O(out³ + in³) time, O(out² + in²) memory.
    """

    def __init__(self, factors: Factors, dtype: torch.dtype) -> None:
        """Takes damped factors; results are in `dtype`.

        Raises `MethodError` if a factor is singular.
        """
        self.output = _inverted(factors.output)
        self.input = _inverted(factors.input)
        self.dtype = dtype

    @property
    def diagonal(self) -> Tensor:
        """The diagonal of the inverse, [out * in]; `MethodError` if `dtype` can't hold it."""
        return _held(Factors(self.output, self.input).diagonal, self.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [out * in]."""
        values = vector.view(len(self.output), len(self.input)).double()
        return (self.output @ values @ self.input).flatten().to(self.dtype)


class SharedInverse(KroneckerInverse):
    """(I ⊗ H)⁻¹ of one layer all of whose output units share the matrix H [in, in]."""

    def __init__(self, shared: Tensor, units: int, dtype: torch.dtype) -> None:
        """Takes the damped H and the number of output units."""
        identity = torch.eye(units, dtype=shared.dtype, device=shared.device)
        super().__init__(Factors(identity, shared), dtype)

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the exact joint OBS move [out * in], -H⁻¹E (EᵀH⁻¹E)⁻¹ Eᵀw for each output unit.

        E holds the columns of the identity of the unit's removed weights. `removed` holds w [out *
        in] at the removed weights and is zero where `keep` is True. Cost: O(Σ r³ + r in) time over
        units that lose r weights.
        """
        move = self.input.new_zeros(len(self.output), len(self.input))
        for unit, values, kept in zip(
            move, removed.view(move.shape), keep.view(move.shape), strict=True
        ):
            gone = (~kept).nonzero().squeeze(1)
            columns = self.input[:, gone]
            factor = torch.linalg.cholesky(columns[gone])
            forces = torch.cholesky_solve(values[gone].double().unsqueeze(1), factor)
            unit.copy_(-(columns @ forces).squeeze(1))
        return move.flatten().to(self.dtype)


class EigenInverse:
    """(U (diag Λ + λI) Uᵀ)⁻¹ of one layer, where U = U_S ⊗ U_A holds the factors' eigenvectors.

    The diagonal is U_S² (1/(Λ+λ)) (U_A²)ᵀ with elementwise squares, and the product with V [out,
    in] is U_S (U_Sᵀ V U_A / (Λ+λ)) U_Aᵀ. Cost: O(out² in + out in²) time for each, O(out² + in² +
    out in) memory.
    """

    def __init__(self, basis: Factors, eigenvalues: Tensor, dtype: torch.dtype) -> None:
        """Takes U_S and U_A with eigenvectors as columns, and Λ + λ [out, in], all above zero."""
        self.basis, self.eigenvalues, self.dtype = basis, eigenvalues, dtype

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """The diagonal of the inverse, [out * in]; `MethodError` if `dtype` can't hold it."""
        output, given = self.basis.output.square(), self.basis.input.square()
        diagonal = (output @ self.eigenvalues.reciprocal() @ given.T).flatten()
        return _held(diagonal, self.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [out * in]."""
        output, given = self.basis.output, self.basis.input
        values = vector.view(self.eigenvalues.shape).double()
        turned = (output.T @ values @ given) / self.eigenvalues
        return (output @ turned @ given.T).flatten().to(self.dtype)


class DiagonalInverse:
    """The inverse of a diagonal matrix, with which OBS moves no survivor."""

    def __init__(self, diagonal: Tensor) -> None:
        """Takes the diagonal [d] of the matrix itself, all entries positive.

        Raises `MethodError` if its type can't hold the reciprocals.
        """
        self.diagonal = _held(diagonal.reciprocal(), diagonal.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [d]."""
        return self.diagonal * vector


def fisher_factors(chunks: Iterable[dict[str, Signal]]) -> dict[str, Factors]:
    """Return S and A of each layer, from the signals of m examples in chunks.

    A = (1/m) Σ_i Σ_t a_it a_itᵀ and S = (1/m) Σ_i (1/T) Σ_t δ_it δ_itᵀ over the T positions of a
    convolution; T = 1 for a linear layer. If positions are uncorrelated and identically
    distributed, a gradient Σ_t δ_t a_tᵀ has the second moment T E[δδᵀ] ⊗ E[aaᵀ] = S ⊗ A. Cost: O(m
    T (out² + in²)) time. Source: Martens & Grosse 2015; Grosse & Martens 2016 (KFC), equations 21
    and 22.

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
        """Add the columns [n, side, positions] of n more examples for each layer."""
        for name, given in columns.items():
            self.examples[name] = self.examples.get(name, 0) + len(given)
            self.positions[name] = given.shape[2]
            if name not in self._totals:
                side = given.shape[1]
                self._totals[name] = given.new_zeros(side, side, dtype=torch.float64)
            add_products(self._totals[name], given)

    @property
    def means(self) -> dict[str, Tensor]:
        """The moments [side, side] by layer: summed over positions, averaged over examples.

        Raises `MethodError` if they overflow.
        """
        for name, total in self._totals.items():
            assert_no_overflow(f"the second moments of the layer of {name}", total)
        return {name: total / self.examples[name] for name, total in self._totals.items()}


def _held(diagonal: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the positive diagonal of an inverse in `dtype`.

    Raises `MethodError` if an entry leaves the range of `dtype`: 0 or infinite, it would decide
    over all scores in silence.
    """
    limits = torch.finfo(dtype)
    if not bool(((diagonal >= limits.tiny) & (diagonal <= limits.max)).all()):
        raise MethodError(
            f"the diagonal of a layer's inverse curvature leaves the range of {dtype}: its inputs "
            "or gradients are too large, or too small for the damping"
        )
    return diagonal.to(dtype)


def _shifted(factor: Tensor, amount: float) -> Tensor:
    """Return factor + amount × I."""
    moved = factor.clone()
    moved.diagonal().add_(amount)
    return moved


def _inverted(factor: Tensor) -> Tensor:
    """Return the inverse of a symmetric positive definite matrix [side, side].

    Raises `MethodError` if it is singular.
    """
    lower, failed = torch.linalg.cholesky_ex(factor)
    if failed:
        raise MethodError(
            f"a Kronecker factor of side {len(factor)} is numerically singular: use a larger "
            "damping"
        )
    return torch.cholesky_inverse(lower)
