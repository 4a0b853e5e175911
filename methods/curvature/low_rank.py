"""The inverse of a damped empirical Fisher in its low-rank form: exact, without a d×d matrix."""

import functools
from collections.abc import Iterator

import torch
from torch import Tensor

from bench.errors import MethodError

COLUMNS = 8192
"""Columns handled at once in double precision: the working memory is [m, COLUMNS]."""

ROWS = 128
"""Rows of G Gᵀ handled at once; the half above the diagonal is left out, at a gain of a third."""


class LowRankInverse:
    """(λI + GᵀG/m)⁻¹ for gradients G [m, d], by the Woodbury identity.

    F⁻¹ = (I - Gᵀ (λm I + G Gᵀ)⁻¹ G) / λ

    One m×m Cholesky factor, in double precision because λm may be ten million times smaller than
    the largest eigenvalue of G Gᵀ; G itself stays in single. Cost: O(m²d) time, O(md + m²) memory.
    Source: Woodbury 1950; as an inverse Fisher, Frantar et al. 2021 (M-FAC).
    """

    def __init__(self, gradients: Tensor, damping: float) -> None:
        """Takes `gradients` [m, d] without copying; raises `MethodError` where it is singular."""
        if not damping > 0:
            raise MethodError(f"damping must be above 0 for an inverse to exist, not {damping}")
        self.gradients = gradients
        self.damping = damping
        self._factor = _factor(gradients, damping)

    @property
    def mean_gradient(self) -> Tensor:
        """The mean of the m gradients, [d]."""
        return self.gradients.mean(0)

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """diag F⁻¹ [d]: (1 - Σ_i (L⁻¹G)_iq²) / λ with L Lᵀ = λm I + G Gᵀ."""
        parts = [
            1 - torch.linalg.solve_triangular(self._factor, columns, upper=False).square_().sum(0)
            for columns in _columns(self.gradients)
        ]
        return (torch.cat(parts) / self.damping).to(self.gradients.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """F⁻¹ v [d] for a vector [d]."""
        projected = (self.gradients @ vector).double().unsqueeze(1)
        solved = torch.cholesky_solve(projected, self._factor).squeeze(1)
        return (vector - solved.to(vector.dtype) @ self.gradients) / self.damping

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """The exact joint OBS move [d] from the survivors' side.

        With R the survivors and P the removed, stationarity in δ_R reads F_RR δ_R = F_RP w_P, and
        F_RP = G_RᵀG_P/m since λI has no entries off the diagonal. The push-through identity gives

        δ_R = G_Rᵀ (λm I + G_R G_Rᵀ)⁻¹ G_P w_P,  δ_P = -w_P.
        """
        surviving = self.gradients * keep
        factor = _factor(surviving, self.damping)
        pull = (self.gradients @ removed).double().unsqueeze(1)
        solved = torch.cholesky_solve(pull, factor).squeeze(1)
        return solved.to(removed.dtype) @ surviving - removed


def _factor(gradients: Tensor, damping: float) -> Tensor:
    """The Cholesky factor [m, m] of λm I + G Gᵀ in double precision."""
    kernel = _gram(gradients)
    kernel.diagonal().add_(damping * len(gradients))
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(kernel)
    if failed:
        raise MethodError(
            f"the Fisher of {len(gradients)} gradients is numerically singular with damping "
            f"{damping:g}: use a larger damping"
        )
    return factor


def _columns(gradients: Tensor) -> Iterator[Tensor]:
    """G in double precision, some columns at a time."""
    for part in gradients.split(COLUMNS, dim=1):
        yield part.double()


def _gram(gradients: Tensor) -> Tensor:
    """The lower triangle of G Gᵀ [m, m] in double precision; above its row blocks it is zero."""
    samples = len(gradients)
    gram = gradients.new_zeros(samples, samples, dtype=torch.float64)
    for columns in _columns(gradients):
        for start in range(0, samples, ROWS):
            stop = min(start + ROWS, samples)
            gram[start:stop, :stop].addmm_(columns[start:stop], columns[:stop].T)
    return gram
