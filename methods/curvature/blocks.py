"""Block-diagonal inverse Fishers: a block a layer, or a chunk of contiguous weights of a layer.

The pruner of M-FAC (Frantar et al. 2021) is no other method than these: its static algorithm finds
the same blocks of the same damped empirical Fisher's inverse, in O(m²c) time for a chunk of c as
`LowRankInverse` does; it differs in the algorithm alone, m products of a recursion where here is
one Cholesky factor, and in the chunks, which there run on across layers.
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
"""One block over all weights, one a layer, or chunks of so many contiguous weights of a layer."""


class ChunkInverse:
    """(λI + G_bᵀG_b/m)⁻¹ for each chunk b of c columns of G [m, d], c dividing d and below m.

    Factors of the blocks' own side, c×c, in double precision; they are inverted in groups.
    Cost: O(mcd) time, O(cd) memory.
    """

    def __init__(self, gradients: Tensor, damping: float, width: int) -> None:
        self.damping, self.width = damping, width
        self.mean_gradient = gradients.mean(0)
        group = max(1, COLUMNS // width) * width
        self._inverses = torch.cat(
            [self._inverted(columns) for columns in gradients.split(group, dim=1)]
        )

    def _inverted(self, columns: Tensor) -> Tensor:
        """The inverse blocks [blocks, c, c] of some columns [m, blocks * c]."""
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
        """diag of the inverse, [d]."""
        return self._inverses.diagonal(dim1=1, dim2=2).reshape(-1)

    def product(self, vector: Tensor) -> Tensor:
        """The inverse times a vector [d]."""
        return torch.bmm(self._inverses, vector.view(-1, self.width, 1)).view(-1)

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """The exact joint OBS move [d]: -F⁻¹_:P (F⁻¹_PP)⁻¹ w_P in each block.

        Rows and columns of survivors in F⁻¹ are replaced by those of the identity, so that all
        blocks are solved in one batch whatever the number of weights each loses.
        """
        gone = (~keep).view(-1, self.width)
        inner = self._inverses.double() * (gone.unsqueeze(1) & gone.unsqueeze(2))
        inner.diagonal(dim1=1, dim2=2).add_((~gone).double())
        values = removed.view(-1, self.width, 1).double()
        forces = torch.cholesky_solve(values, torch.linalg.cholesky(inner))
        return -torch.bmm(self._inverses, forces.to(removed.dtype)).view(-1)


def _blocked(columns: Tensor, width: int) -> Tensor:
    """[m, blocks * c] as [blocks, m, c]."""
    return columns.view(len(columns), -1, width).transpose(0, 1)


def block_inverse(
    gradients: JoinedGradients | SweptGradients, damping: float, blocks: Blocks
) -> FisherInverse:
    """The damped inverse Fisher of gradients [m, d] with this block structure.

    Blocks narrower than m are inverted at their own side, wider ones in the low-rank form; the last
    chunk of a layer may be narrower than the others.
    """
    if blocks == "full":
        return LowRankInverse(gradients, damping)
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
    """The inverse for columns [m, n] in blocks of one width that divides n."""
    if width < len(columns):
        return ChunkInverse(columns, damping, width)
    return WideChunkInverse(columns, damping, width)
