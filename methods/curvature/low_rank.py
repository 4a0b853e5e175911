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
        samples = len(gradients)
        kernel = _gram(gradients)
        kernel.diagonal().add_(damping * samples)
        factor, failed = torch.linalg.cholesky_ex(kernel)
        if failed:
            raise MethodError(
                f"the Fisher of {samples} gradients is numerically singular with damping "
                f"{damping:g}: use a larger damping"
            )
        self._factor = factor

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
