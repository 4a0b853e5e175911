"""Block-diagonal inverse Fishers of gradients that are produced anew for each sweep over them."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedRows
from bench.problem.gradients.sweep import SweptRows
from methods.curvature.inverse import FisherInverse


class SweptInverse:
    """The blocks of a group of layers at a time: estimated, used and forgotten.

    `invert` makes the blocks of one group. One sweep gives the diagonal and the mean gradient, each
    product or move is another, so WoodFisher takes two. Every sweep is charged by what produces the
    rows.
    """

    def __init__(self, rows: SweptRows, invert: Callable[[JoinedRows], FisherInverse]) -> None:
        self._rows, self._invert = rows, invert

    @functools.cached_property
    def _diagonal_and_mean(self) -> tuple[Tensor, Tensor]:
        def use(rows: JoinedRows) -> tuple[Tensor, Tensor]:
            inverse = self._invert(rows)
            return inverse.diagonal, inverse.mean_gradient

        diagonals, means = zip(*self._rows.sweep(use), strict=True)
        return torch.cat(diagonals), torch.cat(means)

    @property
    def diagonal(self) -> Tensor:
        """diag of the inverse, [d]."""
        return self._diagonal_and_mean[0]

    @property
    def mean_gradient(self) -> Tensor:
        """The mean gradient, [d]."""
        return self._diagonal_and_mean[1]

    def product(self, vector: Tensor) -> Tensor:
        """The inverse times a vector [d]."""
        pieces = self._rows.split(vector)
        return torch.cat(self._rows.sweep(lambda rows: self._invert(rows).product(next(pieces))))

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """The exact joint OBS move [d], group by group."""
        pieces = zip(self._rows.split(removed), self._rows.split(keep), strict=True)
        moves = self._rows.sweep(lambda rows: self._invert(rows).joint_move(*next(pieces)))
        return torch.cat(moves)
