"""The masks that a job allows: exact counts, in all or in each layer, inside a support."""

import torch
from torch import Tensor

from bench.problem.problem import Problem
from bench.problem.weights import flatten, unflatten
from methods.combinatorial.quadratic import Projection


class Feasible:
    """Masks [d] over the flat weights that keep exactly as many as the allocation says.

    All kept weights lie `inside` a support [d].
    """

    def __init__(
        self, problem: Problem, sparsity: float | None = None, inside: Tensor | None = None
    ) -> None:
        """The defaults are the job's target sparsity and the problem's support [d]."""
        self.problem, self.sparsity = problem, sparsity
        weights = problem.weights
        self.inside = torch.ones_like(flatten(weights), dtype=torch.bool)
        if inside is not None:
            self.inside = inside
        elif problem.support is not None:
            self.inside = flatten(problem.support)
        numbers = [
            torch.full_like(weight, number if problem.target.allocation != "global" else 0)
            for number, weight in enumerate(weights.values())
        ]
        self.group = torch.cat([part.reshape(-1) for part in numbers]).long()
        """The group [d] in which each weight is counted: 0 for all weights, or the number of its
        layer."""

    def largest(self, scores: Tensor, among: Tensor | None = None) -> Tensor:
        """Return the mask [d] that keeps the largest scores [d], of all weights or of `among`.

        Ties are broken as in every selection: of equal scores the lower index is removed first.
        """
        weights = self.problem.weights
        within = self.inside if among is None else self.inside & among
        masks = self.problem.select(
            unflatten(scores, like=weights), self.sparsity, unflatten(within, like=weights)
        )
        return flatten(masks)

    def projection(self, chosen: Tensor) -> Projection:
        """Return the selection restricted to the n weights that `chosen` [d] marks: [n] to [n].

        None of the other weights is kept.
        """

        def project(sizes: Tensor) -> Tensor:
            scores = sizes.new_zeros(len(chosen))
            scores[chosen] = sizes
            return self.largest(scores, chosen)[chosen]

        return project

    def groups(self) -> list[Tensor]:
        """Return the groups that are counted separately, as masks [d] inside the support."""
        return [self.inside & (self.group == number) for number in self.group.unique().tolist()]
