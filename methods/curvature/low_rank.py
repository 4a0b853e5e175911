"""The inverse of a damped empirical Fisher in its low-rank form: exact, without a d×d matrix."""

import functools

import torch
from torch import Tensor

from bench.errors import MethodError
from bench.rows import DenseRows, Rows

COLUMNS = 8192
"""Columns handled at once in double precision: the working memory is about [m, COLUMNS]."""


class LowRankInverse:
    """(λI + GᵀG/m)⁻¹ for gradients G [m, d], by the Woodbury identity.

    F⁻¹ = (I - Gᵀ (λm I + G Gᵀ)⁻¹ G) / λ

    One m×m Cholesky factor, in double precision because λm may be ten million times smaller than
    the largest eigenvalue of G Gᵀ; G itself stays in single. Cost: O(m²d) time, O(md + m²) memory,
    less where linear layers keep their rows as factors.
    Source: Woodbury 1950; as an inverse Fisher, Frantar et al. 2021 (M-FAC).
    """

    def __init__(self, rows: Rows, damping: float) -> None:
        """Takes G [m, d] without copying; raises `MethodError` where the Fisher is singular."""
        if not damping > 0:
            raise MethodError(f"damping must be above 0 for an inverse to exist, not {damping}")
        self.rows = rows
        self.damping = damping
        self._factor = _factor(rows, damping)

    @property
    def mean_gradient(self) -> Tensor:
        """The mean of the m gradients, [d]."""
        samples = self.rows.shape[0]
        return (
            self.rows.transposed_times(self._factor.new_ones(samples).to(self.rows.dtype)) / samples
        )

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """diag F⁻¹ [d]: (1 - Σ_i (L⁻¹G)_iq²) / λ with L Lᵀ = λm I + G Gᵀ."""
        parts = [
            1 - torch.linalg.solve_triangular(self._factor, columns, upper=False).square_().sum(0)
            for columns in self.rows.columns(COLUMNS)
        ]
        return (torch.cat(parts) / self.damping).to(self.rows.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """F⁻¹ v [d] for a vector [d]."""
        solved = _solved(self._factor, self.rows.times(vector))
        return (vector - self.rows.transposed_times(solved)) / self.damping

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """The exact joint OBS move [d] from the survivors' side.

        With R the survivors and P the removed, stationarity in δ_R reads F_RR δ_R = F_RP w_P, and
        F_RP = G_RᵀG_P/m since λI has no entries off the diagonal. The push-through identity gives

        δ_R = G_Rᵀ (λm I + G_R G_Rᵀ)⁻¹ G_P w_P,  δ_P = -w_P.
        """
        surviving = DenseRows(self.rows.dense() * keep)
        factor = _factor(surviving, self.damping)
        solved = _solved(factor, self.rows.times(removed))
        return surviving.transposed_times(solved) - removed


def _factor(rows: Rows, damping: float) -> Tensor:
    """The Cholesky factor [m, m] of λm I + G Gᵀ in double precision."""
    kernel = rows.gram()
    kernel.diagonal().add_(damping * len(kernel))
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(kernel)
    if failed:
        raise MethodError(
            f"the Fisher of {len(kernel)} gradients is numerically singular with damping "
            f"{damping:g}: use a larger damping"
        )
    return factor


def _solved(factor: Tensor, vector: Tensor) -> Tensor:
    """(L Lᵀ)⁻¹ u [m] in the precision of u."""
    solution = torch.cholesky_solve(vector.to(factor.dtype).unsqueeze(1), factor)
    return solution.squeeze(1).to(vector.dtype)
