"""Sums of products of signals: multiplied in their own precision, and added up in double.

A product in single precision over a few thousand terms is off by about 1e-7 of its size. Adding up
such products in double doesn't let this grow, and their errors partly cancel. On ResNet-20 with 400
images the factors A of K-FAC come out with errors of 5e-9 to 2e-8 in Frobenius norm, S with 3e-8 to
3e-7; the scores of K-FAC, EKFAC and L-OBS at their default damping move by 2e-7 or less in the
median and by 1e-4 at most. A matrix of few terms is different: it is singular, damping alone keeps
its inverse finite, and errors of 1e-7 of its largest eigenvalue may be as large as that.
"""

import torch
from torch import Tensor

from bench.common.errors import MethodError

POSITIONS = 2048
"""How many positions are multiplied at once. Measured on a CPU: fewer make the sums of products
cost as much as the products, more are less exact and leave the cache."""

FEW = 256
"""A chunk with fewer positions is multiplied in double: the product takes no longer than adding a
product to a sum in double, and such matrices may be singular. All linear layers are of this kind
that each example uses once."""


def add_products(total: Tensor, columns: Tensor) -> None:
    """Add Σ_i Σ_t x_it x_itᵀ to `total` [side, side], which is in double precision.

    `columns` [n, side, positions] are multiplied in their own precision, some whole examples at a
    time, and in double if they have few positions or if squares leave the range of single. Columns
    [n, groups, side, positions] have one such sum for each group, in `total` [groups, side, side].
    Cost for each group: O(n positions side²) time, O(side²) memory.
    """
    examples, positions = columns.shape[0], columns.shape[-1]
    if columns.dtype == total.dtype or examples * positions < FEW:
        _accumulate(total, columns.double())
        return
    found = torch.zeros_like(total)
    _accumulate(found, columns)
    if in_range(found.diagonal(dim1=-2, dim2=-1), columns.dtype):
        total += found
    else:
        _accumulate(total, columns.double())


def in_range(squares: Tensor, dtype: torch.dtype) -> bool:
    """Return whether sums of squares computed in `dtype` lost nothing at the ends of its range.

    They are [side], or [groups, side] for matrices of which each must hold by itself. They did not
    overflow, and the largest is so large that what squares below the smallest number of `dtype`
    would have added to it is less than its rounding error.
    """
    limits = torch.finfo(dtype)
    largest = squares.amax(-1).double()
    return bool(((largest > limits.tiny / limits.eps**2) & (largest < float("inf"))).all())


def assert_no_overflow(what: str, values: Tensor) -> None:
    """Raise `MethodError` unless all values, of which `what` says what they are, are finite."""
    if not bool(values.isfinite().all()):
        raise MethodError(
            f"{what} overflow {values.dtype}: inputs or gradients are too large to be squared, "
            "and no estimate is made of them"
        )


def _accumulate(total: Tensor, columns: Tensor) -> None:
    """Add the products of the columns [n, ..., side, positions] to `total`, in their precision."""
    for part in columns.split(max(1, POSITIONS // columns.shape[-1])):
        # [..., side, positions of these examples]: of one example, or at one position each, a view.
        joined = part.movedim(0, -2).flatten(-2)
        if joined.dtype != total.dtype:
            total += joined @ joined.mT
        elif joined.dim() == 2:
            total.addmm_(joined, joined.mT)
        else:
            total.baddbmm_(joined, joined.mT)
