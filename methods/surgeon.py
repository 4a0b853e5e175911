"""The optimal brain surgeon: what all methods share that remove weights by an inverse curvature."""

from dataclasses import dataclass

import torch

from bench.problem import Problem
from bench.weights import Masks, Scores, Weights, flatten, unflatten
from methods.curvature.inverse import Inverse
from methods.method import Method, NonNegative


@dataclass(frozen=True)
class Surgeon(Method):
    """Remove weights by w_q² / (2 [H⁻¹]_qq) and move the survivors (Hassibi & Stork 1992).

    A method of this family defines `inverse` alone: how its H⁻¹ is estimated. `update_scale`
    multiplies the move of the survivors; 0 leaves them as they were.

    Differs from the paper: many weights are removed at once, with the sum of their single-weight
    updates, δ = -H⁻¹ (pruned ⊙ w / diag H⁻¹), as in WoodFisher.
    """

    update_scale: NonNegative = 1.0

    def inverse(self, problem: Problem) -> Inverse:
        """An estimate of H⁻¹ from the problem's calibration data."""
        raise NotImplementedError(f"{type(self).__name__} defines no inverse")

    def prune(self, problem: Problem) -> Weights:
        """Estimate once, select, and move the survivors."""
        inverse = self.inverse(problem)
        masks = problem.select(saliencies(problem.weights, inverse))
        return self.operate(problem.weights, inverse, masks)

    def scores(self, problem: Problem) -> Scores:
        """w_q² / (2 [H⁻¹]_qq) for each weight."""
        return saliencies(problem.weights, self.inverse(problem))

    def operate(self, weights: Weights, inverse: Inverse, masks: Masks) -> Weights:
        """The weights with the masked ones at zero and the others moved to make up for them."""
        vector, keep = flatten(weights), flatten(masks)
        removed = torch.where(keep, 0, vector / inverse.diagonal)
        moved = vector - self.update_scale * inverse.product(removed)
        return unflatten(moved * keep, like=weights)


def saliencies(weights: Weights, inverse: Inverse) -> Scores:
    """The loss that removing each weight alone adds to the quadratic model: w² / (2 diag H⁻¹)."""
    return unflatten(flatten(weights).square() / (2 * inverse.diagonal), like=weights)
