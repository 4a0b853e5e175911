"""The optimal brain surgeon (OBS): the base of all methods that use an inverse curvature matrix."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from torch import Tensor

from bench.jobs.schedule import cubic
from bench.problem.problem import Problem
from bench.problem.weights import Masks, Scores, Weights, flatten, unflatten
from methods.curvature.inverse import Inverse
from methods.method import Count, Method
from methods.search import UpdateScale

Schedule = Literal["linear", "polynomial", "geometric"]
"""How the sparsities of several recomputations are spaced, see `Surgeon`."""
InverseT = TypeVar("InverseT", bound=Inverse)


@dataclass(frozen=True)
class Estimate(Generic[InverseT]):
    """An inverse H⁻¹, the weights [d] from which weights are removed, and their saliencies [d]."""

    inverse: InverseT
    start: Tensor
    saliencies: Tensor


@dataclass(frozen=True)
class Surgeon(Method, Generic[InverseT]):
    """Remove weights by w_q² / (2 [H⁻¹]_qq) and move the survivors (Hassibi & Stork 1992).

    A method of this family defines `inverse` alone: how its H⁻¹ is estimated. `update_scale`
    multiplies the move of the survivors; 0 leaves them as they were. `recomputations` is how many
    times H⁻¹ is estimated on the way to the target, each time at the weights that are left; 1 is
    the plain method. `schedule` spaces the sparsities on the way: `linear`, `polynomial` (cubic,
    steep at first) or `geometric` (each step keeps the same fraction of weights).

    Differs from the paper: many weights are removed at once, with the sum of their single-weight
    updates, δ = -H⁻¹ (pruned ⊙ w / diag H⁻¹), as in WoodFisher.
    """

    update_scale: UpdateScale = 1.0
    recomputations: Count = 1
    schedule: Schedule = "linear"

    def inverse(self, problem: Problem) -> InverseT:
        """Return an estimate of H⁻¹ at the problem's weights, from its calibration data."""
        raise NotImplementedError(f"{type(self).__name__} defines no inverse")

    def origin(self, problem: Problem, inverse: InverseT) -> Tensor:
        """Return the weights [d] from which weights are removed; WoodTaylor takes a step first."""
        return flatten(problem.weights)

    def move(self, removed: Tensor, inverse: InverseT, keep: Tensor) -> Tensor:
        """Return the move [d] of all weights that brings the values `removed` [d] to zero.

        `removed` is zero where `keep` is True.
        """
        return -inverse.product(removed / inverse.diagonal)

    def estimate(self, problem: Problem) -> Estimate[InverseT]:
        """Estimate H⁻¹ at the problem's weights, and from it the saliency of each weight."""
        with problem.phase("inverse"):
            inverse = self.inverse(problem)
            start = self.origin(problem, inverse)
            return Estimate(inverse, start, saliencies(start, inverse))

    def apply(self, problem: Problem, estimate: Estimate[InverseT]) -> Weights:
        """Select weights and move the survivors, with a new estimate for each recomputation."""
        masks: Masks | None = None
        weights = problem.weights
        here = problem
        for sparsity in self.sparsities(problem.target.sparsity, problem.sparsity):
            if masks is not None:
                here = problem.at(weights, masks)
                estimate = self.estimate(here)
            scores = unflatten(estimate.saliencies, like=weights)
            masks = here.select(scores, sparsity, within=masks)
            with problem.phase("update"):
                moved = self.operate(estimate.start, estimate.inverse, flatten(masks))
                weights = unflatten(moved, like=weights)
        return weights

    def scores(self, problem: Problem) -> Scores:
        """Return w_q² / (2 [H⁻¹]_qq) for each weight."""
        return unflatten(self.estimate(problem).saliencies, like=problem.weights)

    def operate(self, start: Tensor, inverse: InverseT, keep: Tensor) -> Tensor:
        """Return the weights [d], removed ones at zero and the others moved to compensate."""
        removed = start.masked_fill(keep, 0)
        if self.update_scale > 0:
            start = start + self.update_scale * self.move(removed, inverse, keep)
        return start.masked_fill(~keep, 0)

    def sparsities(self, target: float, start: float = 0.0) -> list[float]:
        """Return the sparsity after each estimate, from above `start` to the target."""
        steps = self.recomputations
        if self.schedule == "linear":
            way = [start + (target - start) * step / steps for step in range(1, steps)]
        elif self.schedule == "polynomial":
            way = [cubic(step / steps, start, target) for step in range(1, steps)]
        else:
            left = (1 - target) / (1 - start)
            way = [1 - (1 - start) * left ** (step / steps) for step in range(1, steps)]
        return [*way, target]


def saliencies(weights: Tensor, inverse: Inverse) -> Tensor:
    """Return what removing each weight alone adds to the quadratic model [d]: w² / (2 diag H⁻¹)."""
    return weights.square() / (2 * inverse.diagonal)
