"""Inverses of Kronecker-factored curvature, of one layer each; see `factors` for the order.

All matrices of a convolution in several groups have a first dimension of groups, with a block of
the curvature for each.
"""

import functools
import math

import torch
from torch import Tensor

from bench.common.errors import MethodError
from methods.curvature.factors import Factors


class KroneckerInverse:
    """(S ⊗ A)⁻¹ = S⁻¹ ⊗ A⁻¹ of one layer, over its flattened weights [out * in].

    The diagonal is diag S⁻¹ ⊗ diag A⁻¹, the product with V [out, in] is S⁻¹ V A⁻¹. Both factors are
    inverted by Cholesky in double precision. Cost for each group: O(out³ + in³) time, O(out² + in²)
    memory.
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
        values = Factors(self.output, self.input).matrices(vector).double()
        return (self.output @ values @ self.input).flatten().to(self.dtype)


class SharedInverse(KroneckerInverse):
    """(I ⊗ H)⁻¹ of one layer all of whose output units share the matrix H [in, in].

    In a convolution in several groups the units of each group share one: H is [groups, in, in].
    """

    def __init__(self, shared: Tensor, units: int, dtype: torch.dtype) -> None:
        """Takes the damped H and the number of output units of the layer, all groups together."""
        *groups, _, _ = shared.shape
        own = units // math.prod(groups)
        identity = torch.eye(own, dtype=shared.dtype, device=shared.device)
        super().__init__(Factors(identity.expand(*groups, own, own), shared), dtype)

    @property
    def by_group(self) -> Tensor:
        """H⁻¹ of each group, [groups, in, in]; one group if the layer isn't in several."""
        return self.input.view(-1, *self.input.shape[-2:])

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the exact joint OBS move [out * in], -H⁻¹E (EᵀH⁻¹E)⁻¹ Eᵀw for each output unit.

        E holds the columns of the identity of the unit's removed weights. `removed` holds w [out *
        in] at the removed weights and is zero where `keep` is True. Cost: O(Σ r³ + r in) time over
        units that lose r weights.
        """
        inverses = self.by_group
        inverses = self.by_group
        move = inverses.new_zeros(removed.numel() // inverses.shape[-1], inverses.shape[-1])
        rows = zip(move, removed.view(move.shape), keep.view(move.shape), strict=True)
        units = len(move) // len(inverses)
        for number, (unit, values, kept) in enumerate(rows):
            gone = (~kept).nonzero().squeeze(1)
            columns = inverses[number // units][:, gone]
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
        """Takes U_S and U_A with eigenvectors as columns, and Λ + λ [out, in], all above zero.

        All have a first dimension of groups if there are several.
        """
        self.basis, self.eigenvalues, self.dtype = basis, eigenvalues, dtype

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """The diagonal of the inverse, [out * in]; `MethodError` if `dtype` can't hold it."""
        output, given = self.basis.output.square(), self.basis.input.square()
        diagonal = (output @ self.eigenvalues.reciprocal() @ given.mT).flatten()
        return _held(diagonal, self.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [out * in]."""
        output, given = self.basis.output, self.basis.input
        values = vector.view(self.eigenvalues.shape).double()
        turned = (output.mT @ values @ given) / self.eigenvalues
        return (output @ turned @ given.mT).flatten().to(self.dtype)


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


def _inverted(factor: Tensor) -> Tensor:
    """Return the inverse of symmetric positive definite matrices [..., side, side].

    Raises `MethodError` if one is singular.
    """
    lower, failed = torch.linalg.cholesky_ex(factor)
    if failed.any():
        raise MethodError(
            f"a Kronecker factor of side {factor.shape[-1]} is numerically singular: use a larger "
            "damping"
        )
    return torch.cholesky_inverse(lower)
