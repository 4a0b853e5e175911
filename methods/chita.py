"""CHITA and its multi-stage form CHITA++ (Benbaki et al. 2023, Fast as CHITA)."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from bench.problem.gradients.per_example import DenseGradients
from bench.problem.gradients.targets import Fisher
from bench.problem.problem import Problem
from bench.problem.weights import Weights, flatten, unflatten
from methods.combinatorial.feasible import Feasible
from methods.combinatorial.quadratic import Point, Projection, Quadratic, descent, thresholded
from methods.gradients import FromGradients
from methods.method import Count, Method, NonNegative, Positive
from methods.search import Choice, Damping, Search


@dataclass(frozen=True)
class CHITA(FromGradients, Method):
    """Choose and move weights together: the sparse minimiser of a quadratic model of the loss.

    Q(w) = α ḡᵀ(w - w̄) + (w - w̄)ᵀ(λI + GᵀG/m)(w - w̄)/2 with m = `samples` gradients G [m, d] at
    the weights w̄, λ = `damping` and α = `first_order` / batch, is minimised over all w with the
    exact count of zeros. The search starts from the largest weights of w̄. One round consists of up
    to `steps` steps of iterative hard thresholding with the paper's line search, among an active
    set of at first `active` times as many weights as are kept; the backsolve, which is the exact
    minimiser on their support; and one step among all weights, which may enlarge the active set.
    There are at most `rounds` rounds; a round in which the mask doesn't change is the last. A
    weight whose gradients are all zero is kept only if there are too few others.

    `stages` repeats the search at a sequence of sparsities that starts at `base` and halves the
    distance to the target each time, with new gradients at each stage; with `fresh` also from new
    examples. Weights that an earlier stage removed may come back, those outside the job's support
    never. Cost: stages × m × batch backward passes; O(md) time per step and O(m²k) per round for k
    weights kept; O(md) memory.

    Differs from the paper: a round joins its two algorithms. CHITA-CD has sweeps of coordinate
    descent in place of the backsolve, which they approach slowly; CHITA-BSO has the backsolve once.
    """

    samples: Count = 1000
    batch: Count = 1
    damping: Damping = 1e-3
    fisher: Annotated[Fisher, Choice(("empirical", "true"))] = "empirical"
    first_order: Annotated[NonNegative, Search(0.0, 1.0)] = 0.0
    steps: Count = 10
    active: Positive = 1.5
    rounds: Count = 3
    stages: Count = 1
    base: NonNegative = 0.1
    fresh: bool = False

    def prune(self, problem: Problem) -> Weights:
        """Run the stages in order, each around the weights that the one before returned."""
        weights, here = problem.weights, problem
        inside = Feasible(problem).inside
        for stage, sparsity in enumerate(self.sparsities(problem.target.sparsity)):
            if stage > 0:
                here = problem.at(weights, unflatten(inside, like=weights))
            skip = stage * self.samples * self.batch if self.fresh else 0
            found = self._stage(here, Feasible(here, sparsity, inside), skip)
            weights = unflatten(found, like=weights)
        return weights

    def sparsities(self, target: float) -> list[float]:
        """Return the sparsity after each stage; the last is the target.

        From `base` on, each stage halves what is left of the way.
        """
        base = min(self.base, target)
        whole = 1 - 0.5 ** (self.stages - 1)
        way = [
            base + (target - base) * (1 - 0.5**stage) / whole for stage in range(self.stages - 1)
        ]
        return [*way, target]

    def _stage(self, problem: Problem, feasible: Feasible, skip: int = 0) -> Tensor:
        """Return the weights [d] after one stage."""
        with problem.phase("gradients"):
            if self.batch == 1:
                matrix = problem.gradients_by_layer(self.samples, 1, self.fisher, skip).dense()
            else:  # means have no factors, and are one matrix already
                matrix = problem.gradients(self.samples, self.batch, self.fisher, skip=skip)
            gradients = DenseGradients(matrix)
        with problem.phase("selection"):
            return self._found(problem, feasible, gradients)

    def _found(self, problem: Problem, feasible: Feasible, gradients: DenseGradients) -> Tensor:
        """Return the weights [d] that the search finds; its backsolves are counted as selection."""
        dense = flatten(problem.weights)
        target = gradients.times(dense) - self.first_order / self.batch
        model = Quadratic(gradients, target, dense, self.damping)
        live = gradients.matrix.any(0) & feasible.inside
        # A weight whose gradients are all zero is kept only if there are not enough others.
        scores = dense.double().abs()
        scores = torch.where(live, scores + scores.max() + 1, scores)
        keep = feasible.largest(scores)
        share = (1 - feasible.sparsity) * self.active if feasible.sparsity is not None else 1.0
        wide = Feasible(problem, max(0.0, 1 - share), feasible.inside).largest(scores)
        start = Point(dense * keep, keep)
        found = self._searched(model, start, feasible, live | keep, wide & live | keep)
        return filled(found, torch.where(live, 0, dense), feasible)

    def _searched(
        self, model: Quadratic, point: Point, feasible: Feasible, pool: Tensor, active: Tensor
    ) -> Point:
        """Return the end point of a search among `pool` [d], mostly within `active` [d]."""
        whole = model.among(pool)
        for _ in range(self.rounds):
            step = functools.partial(descent, steps=self.steps)
            point = _within(active, step, whole.among(active[pool]), point, feasible)
            point = model.solution(point.keep)
            moved = _within(pool, thresholded, whole, point, feasible)
            if torch.equal(moved.keep, point.keep):
                return point
            point, active = moved, active | moved.keep
        return model.solution(point.keep)


@dataclass(frozen=True)
class CHITAPlusPlus(CHITA):
    """CHITA in stages, each around the weights that the one before has moved.

    Differs from the paper: there is no first-order term by default. The authors take α = 1 and new
    examples at each stage, which makes each stage a training step too: `first_order = 1` with
    `fresh`. With the same examples at every stage, that term fits these examples alone.
    """

    stages: Count = 15


def filled(found: Point, spare: Tensor, feasible: Feasible) -> Tensor:
    """Return the weights found [d], in which as many aren't zero as are kept.

    The model may give a weight that an earlier stage removed no reason to come back: where all that
    goes have gradients of zero, nothing is to be made up for. In its place stays the largest of the
    `spare` weights [d], which are not zero and whose gradients are.
    """
    weights = found.weights
    lacking = found.keep & (weights == 0)
    if not lacking.any():
        return weights
    sizes = weights.double().abs()
    most = 1 + sizes.max() + spare.double().abs().max()
    scores = torch.where(sizes > 0, sizes + most, spare.double().abs())
    return torch.where(sizes > 0, weights, spare) * feasible.largest(scores)


def _within(
    chosen: Tensor,
    step: Callable[[Quadratic, Point, Projection, Tensor], Point],
    model: Quadratic,
    point: Point,
    feasible: Feasible,
) -> Point:
    """Return the step taken by the n weights that `chosen` [d] marks, in a model of those alone.

    If it marks none, which happens when nothing is kept, the point is returned unchanged.
    """
    if not chosen.any():
        return point
    start = Point(point.weights[chosen], point.keep[chosen], point.outputs)
    found = step(model, start, feasible.projection(chosen), feasible.group[chosen])
    weights, keep = torch.zeros_like(point.weights), torch.zeros_like(point.keep)
    weights[chosen], keep[chosen] = found.weights, found.keep
    return Point(weights, keep, found.outputs)
