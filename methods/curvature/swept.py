"""Block-diagonal inverse Fishers of gradients that are recomputed for each sweep over them."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedGradients
from bench.problem.gradients.sweep import SweptGradients
from methods.curvature.inverse import FisherInverse


class SweptInverse:
    """Inverse blocks that are estimated, used and dropped for one group of layers at a time.

    `invert` makes the blocks of one group. One sweep gives the diagonal and the mean gradient
    together; each product or joint move takes another, so WoodFisher takes two. Every sweep is
    charged where the gradients are recomputed.
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
        """The diagonal of the inverse, [d]."""
        return self._diagonal_and_mean[0]

    @property
    def mean_gradient(self) -> Tensor:
        """The mean gradient, [d]."""
        return self._diagonal_and_mean[1]

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [d]."""
        pieces = self._gradients.split(vector)
        products = self._gradients.sweep(lambda group: self._invert(group).product(next(pieces)))
        return torch.cat(products)

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the exact joint OBS move [d], group by group."""
        pieces = zip(self._gradients.split(removed), self._gradients.split(keep), strict=True)
        moves = self._gradients.sweep(
            lambda gradients: self._invert(gradients).joint_move(*next(pieces))
        )
        return torch.cat(moves)
