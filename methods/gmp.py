"""Gradual magnitude pruning (Zhu & Gupta 2017, To Prune, or Not to Prune)."""

from dataclasses import dataclass

from bench.jobs.schedule import cubic
from bench.problem.problem import Target
from bench.problem.selection import select
from bench.problem.training.loop import Sparsifier, Training
from methods.method import Count, Fraction
from methods.sparse_training import SparseTraining


@dataclass(frozen=True)
class GMP(SparseTraining):
    """Remove the smallest |w| little by little while training, by the cubic schedule.

    Pruning takes place in the part of the training from `begin` to `end` (fractions of it), at
    `prunings` evenly spaced steps. The first pruning goes to `initial_sparsity`, the last exactly
    to the target. It is what `magnitude` does in the protocol `gradual`, with a schedule of the
    method's own as it is commonly tuned (Gale et al. 2019; Kurtic & Alistarh 2022): pruning starts
    early and is frequent, and the last quarter of the training keeps the target. Cost: O(d log d)
    per pruning.
    """

    begin: Fraction = 0.0
    end: Fraction = 0.75
    prunings: Count = 40
    initial_sparsity: Fraction = 0.0

    def __post_init__(self) -> None:
        if self.end <= self.begin:
            raise ValueError(f"the end ({self.end:g}) must come after the begin ({self.begin:g})")

    def sparsifier(self, target: Target) -> Sparsifier:
        """Return the sparsifier that prunes at the planned steps."""
        return _Pruning(self, target)


class _Pruning(Sparsifier):
    def __init__(self, method: GMP, target: Target) -> None:
        self._method, self._target = method, target

    def before_step(self, training: Training) -> None:
        """Remove the smallest weights by magnitude, if the plan has a pruning before this step."""
        sparsity = self._plan(training.steps).get(training.step)
        if sparsity is None:
            return
        scores = {name: weight.detach().abs() for name, weight in training.parameters.items()}
        goal = self._target.sparsity
        masks = select(scores, self._target.allocation, sparsity, training.masks, goal)
        training.set_masks(masks)
        if sparsity == goal:
            training.pruning_ended()

    def _plan(self, steps: int) -> dict[int, float]:
        """Return the sparsity to prune to before each of the planned steps."""
        method = self._method
        first, last = round(method.begin * steps), round(method.end * steps)
        count = min(method.prunings, last - first + 1)
        moments = [index / max(1, count - 1) for index in range(count)]
        return {
            first + round(moment * (last - first)): cubic(
                moment, method.initial_sparsity, self._target.sparsity
            )
            for moment in moments
        } | {last: self._target.sparsity}
