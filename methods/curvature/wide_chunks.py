"""Inverses of equal blocks of a damped empirical Fisher, each at least as wide as m gradients."""

import functools
from collections.abc import Iterator

import torch
from torch import Tensor

from bench.common.errors import MethodError

NUMBERS = 2**22
"""The number of entries of G handled at once in double precision: 32 MiB."""


class WideChunkInverse:
    """(λI + G_bᵀG_b/m)⁻¹ for each chunk b of c columns of G [m, d]; c divides d and is at least m.

    This is the low-rank form of `LowRankInverse` for many blocks in one batch, which replaces a
    loop of small operations over, for instance, the 12,750 blocks of ResNet-50 at c = 2000. The
    Cholesky factors [d/c, m, m] are in double precision; G isn't copied. Cost: O(m²d) time, O(md +
    m²d/c) memory.
    """

    def __init__(self, gradients: Tensor, damping: float, width: int) -> None:
        self._gradients, self._damping, self._width = gradients, damping, width
        self._factors = self._factored(gradients)

    @property
    def mean_gradient(self) -> Tensor:
        """The mean of the m gradients, [d]."""
        return self._gradients.mean(0)

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """The diagonal of the inverse [d]: (1 - Σ_i (L⁻¹G_b)_iq²) / λ, L Lᵀ = λm I + G_b G_bᵀ."""
        parts = [
            torch.linalg.solve_triangular(factors, blocks.double(), upper=False).square_().sum(1)
            for blocks, factors in self._groups()
        ]
        diagonal = (1 - torch.cat(parts).view(-1)) / self._damping
        return diagonal.to(self._gradients.dtype)

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [d]."""
        blocks = self._blocked(self._gradients)
        solved = _solved(self._factors, torch.bmm(blocks, vector.view(-1, self._width, 1)))
        return (vector - torch.bmm(blocks.mT, solved).view(-1)) / self._damping

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the exact joint OBS move [d], derived as in `low_rank.joint_move`."""
        surviving = self._gradients * keep
        pushed = torch.bmm(self._blocked(self._gradients), removed.view(-1, self._width, 1))
        solved = _solved(self._factored(surviving), pushed)
        return torch.bmm(self._blocked(surviving).mT, solved).view(-1) - removed

    def _blocked(self, columns: Tensor) -> Tensor:
        """Reshape [m, blocks * c] to [blocks, m, c]."""
        blocks: Tensor = columns.unflatten(1, (-1, self._width))
        return blocks.transpose(0, 1)

    def _factored(self, gradients: Tensor) -> Tensor:
        """Return the Cholesky factors [blocks, m, m] of λm I + G_b G_bᵀ in double precision."""
        parts = []
        for blocks in self._blocked(gradients).split(self._group):
            exact = blocks.double()
            kernels = torch.bmm(exact, exact.mT)
            kernels.diagonal(dim1=1, dim2=2).add_(self._damping * len(gradients))
            factors, failed = torch.linalg.cholesky_ex(kernels)
            if failed.any():
                raise MethodError(
                    f"{int((failed > 0).sum())} blocks of the Fisher are numerically singular "
                    f"with damping {self._damping:g}: use a larger damping"
                )
            parts.append(factors)
        return torch.cat(parts)

    def _groups(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over some blocks of G at a time, with their factors."""
        blocks = self._blocked(self._gradients).split(self._group)
        return zip(blocks, self._factors.split(self._group), strict=True)

    @property
    def _group(self) -> int:
        return max(1, NUMBERS // (len(self._gradients) * self._width))


def _solved(factors: Tensor, vectors: Tensor) -> Tensor:
    """Return (L Lᵀ)⁻¹ u [blocks, m, 1] in the precision of u."""
    return torch.cholesky_solve(vectors.to(factors.dtype), factors).to(vectors.dtype)
