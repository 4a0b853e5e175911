"""The masks that a job allows: exact counts, in all or in each layer, inside a support."""

import torch
from torch import Tensor

from bench.problem.problem import Problem
from bench.problem.weights import flatten, unflatten
from methods.combinatorial.quadratic import Projection


class Feasible:
    """Masks [d] over the flat weights, with as many kept as the allocation says, all `inside`."""

    def __init__(
        self, problem: Problem, sparsity: float | None = None, inside: Tensor | None = None
    ) -> None:
        """The job's own sparsity, and the problem's support, unless others are given."""
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
        """The number [d] of the set that each weight is counted in: 0 for all, or the layer's."""

    def largest(self, scores: Tensor, among: Tensor | None = None) -> Tensor:
        """The mask of the largest scores [d], ties as in every selection; `among` those only."""
        weights = self.problem.weights
        within = self.inside if among is None else self.inside & among
        masks = self.problem.select(
            unflatten(scores, like=weights), self.sparsity, unflatten(within, like=weights)
        )
        return flatten(masks)

    def projection(self, chosen: Tensor) -> Projection:
        """The same for the n weights that `chosen` [d] marks: from [n] to [n], none else kept."""

        def project(sizes: Tensor) -> Tensor:
            scores = sizes.new_zeros(len(chosen))
            scores[chosen] = sizes
            return self.largest(scores, chosen)[chosen]

        return project

    def groups(self) -> list[Tensor]:
        """The sets that are counted each on its own, as masks [d] inside the support."""
        return [self.inside & (self.group == number) for number in self.group.unique().tolist()]
