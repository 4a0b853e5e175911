"""The inverse of a damped empirical Fisher in low-rank form: exact, without a d×d matrix."""

import functools

import torch
from torch import Tensor

from bench.common.errors import MethodError
from bench.problem.gradients.per_example import Gradients
from methods.curvature.kernel import SupportKernel, among

COLUMNS = 8192
"""The number of columns of G handled at once in double precision, which bounds the working memory
to about m × COLUMNS numbers."""


class LowRankInverse:
    """(λI + GᵀG/m)⁻¹ for gradients G [m, d], by the Woodbury identity.

    F⁻¹ = (I - Gᵀ (λm I + G Gᵀ)⁻¹ G) / λ

    It takes one m×m Cholesky factor, in double precision because λm may be ten million times
    smaller than the largest eigenvalue of G Gᵀ; G itself stays in single precision. Cost: O(m²d)
    time, O(md + m²) memory, less where linear layers keep their gradients as factors. Source:
    Woodbury 1950; as an inverse Fisher, Frantar et al. 2021 (M-FAC).
    """

    def __init__(self, gradients: Gradients, damping: float, gram: Tensor | None = None) -> None:
        """Takes G [m, d] without copying it, and G Gᵀ [m, m] in double precision if it is known.

        Of G Gᵀ the lower triangle is read. Raises `MethodError` if the Fisher is singular.
        """
        if not damping > 0:
            raise MethodError(f"damping must be above 0 for an inverse to exist, not {damping}")
        self.gradients = gradients
        self.damping = damping
        self._factor = _factor(gradients.gram() if gram is None else gram.clone(), damping)

    @property
    def mean_gradient(self) -> Tensor:
        """The mean of the m gradients, [d]."""
        samples = self.gradients.shape[0]
        ones = self._factor.new_ones(samples).to(self.gradients.dtype)
        return self.gradients.transposed_times(ones) / samples

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """The diagonal of F⁻¹ [d]: (1 - Σ_i (L⁻¹G)_iq²) / λ with L Lᵀ = λm I + G Gᵀ."""
        parts = [
            1 - torch.linalg.solve_triangular(self._factor, columns, upper=False).square_().sum(0)
            for columns in self.gradients.columns(COLUMNS)
        ]
        return (torch.cat(parts) / self.damping).to(self.gradients.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """Return F⁻¹ v [d] for a vector v [d]."""
        solved = _solved(self._factor, self.gradients.times(vector))
        return (vector - self.gradients.transposed_times(solved)) / self.damping

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the exact joint OBS move [d]."""
        return joint_move(self.gradients, self.damping, removed, keep)


def joint_move(gradients: Gradients, damping: float, removed: Tensor, keep: Tensor) -> Tensor:
    """Return the move δ [d] that minimises δᵀFδ/2 with δ_P = -w_P for all removed weights P.

    F = λI + GᵀG/m. For the survivors R, stationarity in δ_R reads F_RR δ_R = F_RP w_P, and F_RP =
    G_RᵀG_P/m since λI has no entries off the diagonal. The push-through identity gives δ_R = G_Rᵀ
    (λm I + G_R G_Rᵀ)⁻¹ G_P w_P. `removed` holds w [d] at the removed weights and is zero where
    `keep` is True.
    """
    move = -removed
    move[keep] = ridge(gradients, damping, gradients.times(removed), keep)
    return move


def ridge(
    gradients: Gradients,
    damping: float,
    target: Tensor,
    keep: Tensor,
    kernel: SupportKernel | None = None,
) -> Tensor:
    """Return the x [k] that minimises ‖u - G x‖² + λm ‖x‖², with G [m, k] the columns in `keep`.

    u is `target` [m]. x = Gᵀ (λm I + G Gᵀ)⁻¹ u = (λm I + GᵀG)⁻¹ Gᵀu, of which the side with the
    smaller matrix is solved, in double precision. A `kernel` of the same gradients serves several
    calls with similar `keep`. Cost: O(mk min(m, k) + min(m, k)³) time, less where the kernel is at
    hand.
    """
    samples = gradients.shape[0]
    if int(keep.sum()) < samples:
        columns = among(gradients, keep).matrix.double()
        normal = columns.T @ columns
        normal.diagonal().add_(damping * samples)
        factor = _cholesky(normal, samples, damping)
        return _solved(factor, columns.T @ target.double()).to(target.dtype)
    matrix = (kernel or SupportKernel(gradients)).of(keep).clone()
    matrix.diagonal().add_(damping * samples)
    return gradients.transposed_times(_solved(_cholesky(matrix, samples, damping), target))[keep]


def _factor(kernel: Tensor, damping: float) -> Tensor:
    """Return the Cholesky factor [m, m] of λm I + G Gᵀ, and write to G Gᵀ in `kernel`."""
    kernel.diagonal().add_(damping * len(kernel))
    return _cholesky(kernel, len(kernel), damping)


def _cholesky(matrix: Tensor, samples: int, damping: float) -> Tensor:
    """Return the lower Cholesky factor; raises `MethodError` if the damped matrix is singular."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed:
        raise MethodError(
            f"the Fisher of {samples} gradients is numerically singular with damping "
            f"{damping:g}: use a larger damping"
        )
    return factor


def _solved(factor: Tensor, vector: Tensor) -> Tensor:
    """Return (L Lᵀ)⁻¹ u [m] in the precision of u."""
    solution = torch.cholesky_solve(vector.to(factor.dtype).unsqueeze(1), factor)
    return solution.squeeze(1).to(vector.dtype)
