"""Block-diagonal inverse Fishers of gradients that are produced anew for each sweep over them."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedGradients
from bench.problem.gradients.sweep import SweptGradients
from methods.curvature.inverse import FisherInverse


class SweptInverse:
    """The blocks of a group of layers at a time: estimated, used and forgotten.

    `invert` makes the blocks of one group. One sweep gives the diagonal and the mean gradient, each
    product or move is another, so WoodFisher takes two. Every sweep is charged by what produces the
    gradients.
    """

    def __init__(
        self, gradients: SweptGradients, invert: Callable[[JoinedGradients], FisherInverse]
    ) -> None:
        self._gradients, self._invert = gradients, invert

    @functools.cached_property
    def _diagonal_and_mean(self) -> tuple[Tensor, Tensor]:
        def use(gradients: JoinedGradients) -> tuple[Tensor, Tensor]:
            inverse = self._invert(gradients)
            return inverse.diagonal, inverse.mean_gradient

        diagonals, means = zip(*self._gradients.sweep(use), strict=True)
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
        pieces = self._gradients.split(vector)
        products = self._gradients.sweep(lambda group: self._invert(group).product(next(pieces)))
        return torch.cat(products)

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """The exact joint OBS move [d], group by group."""
        pieces = zip(self._gradients.split(removed), self._gradients.split(keep), strict=True)
        moves = self._gradients.sweep(
            lambda gradients: self._invert(gradients).joint_move(*next(pieces))
        )
        return torch.cat(moves)
