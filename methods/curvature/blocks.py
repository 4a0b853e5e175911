"""Block-diagonal inverse Fishers: one block per layer, or per chunk of a layer's weights.

The pruner of M-FAC (Frantar et al. 2021) is no separate method of the suite. Its static algorithm
computes the same blocks of the inverse of the same damped empirical Fisher, in O(m²c) time for a
chunk of c weights, as `LowRankInverse` does. It differs in the algorithm, a recursion of m products
in place of one Cholesky factor, and in the chunks, which there continue across layer boundaries.
"""

import functools
from typing import Literal

import torch
from torch import Tensor

from bench.common.errors import MethodError
from bench.problem.gradients.per_example import JoinedGradients
from bench.problem.gradients.sweep import SweptGradients
from methods.curvature.inverse import FisherInverse
from methods.curvature.joined import JoinedFisherInverse
from methods.curvature.low_rank import COLUMNS, LowRankInverse
from methods.curvature.swept import SweptInverse
from methods.curvature.wide_chunks import WideChunkInverse
from methods.method import Count

Blocks = Literal["full", "layer"] | Count
"""The block structure: `full` is one block over all weights, `layer` one per layer, and a number is
the width of chunks of contiguous weights inside a layer."""


class ChunkInverse:
    """(λI + G_bᵀG_b/m)⁻¹ for each chunk b of c columns of G [m, d]; c divides d and is below m.

    Each block is inverted as a c×c matrix in double precision, several blocks at a time. Cost:
    O(mcd) time, O(cd) memory.
    """

    def __init__(self, gradients: Tensor, damping: float, width: int) -> None:
        self.damping, self.width = damping, width
        self.mean_gradient = gradients.mean(0)
        group = max(1, COLUMNS // width) * width
        self._inverses = torch.cat(
            [self._inverted(columns) for columns in gradients.split(group, dim=1)]
        )

    def _inverted(self, columns: Tensor) -> Tensor:
        """Return the inverse blocks [blocks, c, c] of the columns [m, blocks * c]."""
        blocked = _blocked(columns, self.width).double()
        fisher = torch.bmm(blocked.mT, blocked).div_(len(columns))
        fisher.diagonal(dim1=1, dim2=2).add_(self.damping)
        factor, failed = torch.linalg.cholesky_ex(fisher)
        if failed.any():
            raise MethodError(
                f"{int((failed > 0).sum())} blocks of the Fisher are numerically singular with "
                f"damping {self.damping:g}: use a larger damping"
            )
        return torch.cholesky_inverse(factor).to(columns.dtype)

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """The diagonal of the inverse, [d]."""
        return self._inverses.diagonal(dim1=1, dim2=2).reshape(-1)

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [d]."""
        return torch.bmm(self._inverses, vector.view(-1, self.width, 1)).view(-1)

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the exact joint OBS move [d], -F⁻¹_:P (F⁻¹_PP)⁻¹ w_P in each block.

        Rows and columns of survivors in F⁻¹ are replaced by those of the identity, so that all
        blocks are solved in one batch, however many weights each loses.
        """
        gone = (~keep).view(-1, self.width)
        inner = self._inverses.double() * (gone.unsqueeze(1) & gone.unsqueeze(2))
        inner.diagonal(dim1=1, dim2=2).add_((~gone).double())
        values = removed.view(-1, self.width, 1).double()
        forces = torch.cholesky_solve(values, torch.linalg.cholesky(inner))
        return -torch.bmm(self._inverses, forces.to(removed.dtype)).view(-1)


def _blocked(columns: Tensor, width: int) -> Tensor:
    """Reshape [m, blocks * c] to [blocks, m, c]."""
    return columns.view(len(columns), -1, width).transpose(0, 1)


def block_inverse(
    gradients: JoinedGradients | SweptGradients,
    damping: float,
    blocks: Blocks,
    gram: Tensor | None = None,
) -> FisherInverse:
    """Return the damped inverse Fisher (λI + GᵀG/m)⁻¹ of G [m, d] with this block structure.

    Blocks narrower than m are inverted as matrices, wider ones in the low-rank form. The last chunk
    of a layer may be narrower than the others. `gram` is G Gᵀ [m, m] for `full` blocks, where it is
    known already. Raises `MethodError` if a block is singular.
    """
    if blocks == "full":
        return LowRankInverse(gradients, damping, gram)
    if isinstance(gradients, SweptGradients):
        return SweptInverse(gradients, lambda group: block_inverse(group, damping, blocks))
    if blocks == "layer":
        return JoinedFisherInverse([LowRankInverse(layer, damping) for layer in gradients.layers])
    parts: list[FisherInverse] = []
    for layer in gradients.layers:
        matrix = layer.dense()
        width = min(blocks, matrix.shape[1])
        whole = matrix.shape[1] // width * width
        parts.append(_equal_blocks(matrix[:, :whole], damping, width))
        if whole < matrix.shape[1]:
            parts.append(_equal_blocks(matrix[:, whole:], damping, matrix.shape[1] - whole))
    return JoinedFisherInverse(parts)


def _equal_blocks(columns: Tensor, damping: float, width: int) -> FisherInverse:
    """Return the inverse for columns [m, n] in blocks of one width, which divides n."""
    if width < len(columns):
        return ChunkInverse(columns, damping, width)
    return WideChunkInverse(columns, damping, width)
