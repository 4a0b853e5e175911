"""The kernel G_S G_Sᵀ of some columns S of gradients, from the fewest columns that it takes."""

from torch import Tensor

from bench.problem.gradients.per_example import DenseGradients, Gradients


class SupportKernel:
    """G_S G_Sᵀ [m, m] for a support S that changes little from one use to the next.

    The kernel of S is that of the support before, plus the columns that entered, minus those that
    left: G_S G_Sᵀ = Σ_{q∈S} g_q g_qᵀ. It is computed anew if that takes fewer columns. Sums are in
    double precision, in which a difference of kernels loses nothing that counts beside λm. Cost:
    O(m²c) time for c columns.
    """

    def __init__(self, gradients: Gradients) -> None:
        """Takes G [m, d] without copying it."""
        self._gradients = gradients
        self._held: tuple[Tensor, Tensor] | None = None

    def of(self, keep: Tensor) -> Tensor:
        """Return the kernel of the columns that `keep` [d] marks.

        At least its lower triangle is filled. It is overwritten by the next call.
        """
        kernel = self._moved(keep)
        if kernel is None:
            kernel = support_gram(self._gradients, keep)
        self._held = (keep, kernel)
        return kernel

    def _moved(self, keep: Tensor) -> Tensor | None:
        """Return the kernel from that of the support before, or None if that takes longer."""
        if self._held is None:
            return None
        before, kernel = self._held
        entered, left = keep & ~before, before & ~keep
        if int(entered.sum()) + int(left.sum()) >= int(keep.sum()):
            return None
        for columns, sign in ((entered, 1), (left, -1)):
            if columns.any():
                kernel.add_(among(self._gradients, columns).gram(), alpha=sign)
        return kernel


def among(gradients: Gradients, chosen: Tensor) -> DenseGradients:
    """Return the columns of G [m, d] that `chosen` [d] marks, as a copy [m, n]."""
    # Half the time of indexing by a mask.
    places = chosen.nonzero().squeeze(1)
    return DenseGradients(gradients.dense().index_select(1, places))


def support_gram(gradients: Gradients, keep: Tensor) -> Tensor:
    """Return the kernel of the columns in `keep` [d], computed from them or from the others.

    As all columns minus the others only where the kernel of all takes little, which holds for
    gradients kept as factors: a matrix has as many columns to multiply as there are.
    """
    kept = int(keep.sum())
    if gradients.gram_columns + len(keep) - kept < kept:
        return gradients.gram().sub_(among(gradients, ~keep).gram())
    return among(gradients, keep).gram()
