"""The quadratic model of the loss as a ridge regression, and its sparse minimisation."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.problem.gradients.per_example import DenseGradients, Gradients
from methods.curvature.low_rank import ridge

DOUBLINGS = 10
"""The most steps of one line search, each twice as long as the one before."""

SMALL = 1e-7
"""The fraction of Q by which a step must lower it to count as an improvement."""

Projection = Callable[[Tensor], Tensor]
"""A function from sizes [d] to the mask [d] of the largest ones that the job's allocation keeps."""


@dataclass(frozen=True)
class Quadratic:
    """Q(w) = ‖G w - b‖²/2m + λ ‖w - w̄‖²/2 over weights w [d], with gradients G [m, d].

    With b = G w̄ - α1, this is αḡᵀ(w - w̄) + (w - w̄)ᵀF(w - w̄)/2 up to a constant, where ḡ is the
    mean gradient and F = λI + GᵀG/m. Source: Benbaki et al. 2023 (CHITA), equation 4.
    """

    gradients: Gradients
    target: Tensor
    centre: Tensor
    damping: float

    def among(self, chosen: Tensor) -> "Quadratic":
        """Return the model of the n weights that `chosen` [d] marks, all others being zero."""
        columns = DenseGradients(self.gradients.dense()[:, chosen])
        return replace(self, gradients=columns, centre=self.centre[chosen])

    def value(self, weights: Tensor) -> float:
        """Return Q(w)."""
        misfit, offset = self._misfit(weights).double(), (weights - self.centre).double()
        return float(misfit @ misfit / len(misfit) + self.damping * offset @ offset) / 2

    def gradient(self, weights: Tensor) -> Tensor:
        """Return ∇Q(w) = Gᵀ(G w - b)/m + λ(w - w̄), [d]."""
        misfit = self._misfit(weights)
        pull = self.gradients.transposed_times(misfit) / len(misfit)
        return pull + self.damping * (weights - self.centre)

    def curvature(self, direction: Tensor) -> float:
        """Return vᵀFv for v [d]."""
        outputs, given = self.gradients.times(direction).double(), direction.double()
        return float(outputs @ outputs / len(outputs) + self.damping * given @ given)

    def solution(self, keep: Tensor) -> "Point":
        """Return the minimiser of Q with weights outside `keep` [d] at zero: CHITA's backsolve."""
        weights = self.centre * keep
        missing = self.target - self.gradients.times(weights)
        weights[keep] += ridge(self.gradients, self.damping, missing, keep)
        return Point(weights, keep)

    def _misfit(self, weights: Tensor) -> Tensor:
        """Return G w - b, [m]."""
        return self.gradients.times(weights) - self.target


@dataclass(frozen=True)
class Point:
    """Weights [d] that are zero outside `keep` [d]."""

    weights: Tensor
    keep: Tensor


def descent(
    model: Quadratic, start: Point, project: Projection, group: Tensor, steps: int
) -> Point:
    """Iterative hard thresholding: w ← P(w - τ∇Q), up to `steps` times while Q falls.

    `group` [d] numbers the groups that the projection P counts separately.
    """
    point, value = start, model.value(start.weights)
    for _ in range(steps):
        moved = thresholded(model, point, project, group)
        found = model.value(moved.weights)
        if found >= value - SMALL * abs(value):
            break
        point, value = moved, found
    return point


def thresholded(model: Quadratic, point: Point, project: Projection, group: Tensor) -> Point:
    """Take one step w ← P(w - τ∇Q), with τ from the paper's line search.

    Up to the critical τ the mask doesn't change, and Q is a parabola in τ; if its minimum lies
    there, this τ is taken. Otherwise τ doubles from the critical one for as long as Q falls.
    Source: Benbaki et al. 2023 (CHITA), algorithm 2.
    """
    gradient = model.gradient(point.weights)
    inside = gradient * point.keep
    curvature = model.curvature(inside)
    critical = critical_step(point, gradient, group)
    slope, value = float(inside.double() @ inside.double()), model.value(point.weights)
    # Where the weights already minimise Q on their support, only another mask can lower it.
    solved = slope**2 <= 2 * curvature * SMALL * abs(value)
    if not solved and slope / curvature < critical:
        return Point(point.weights - slope / curvature * inside, point.keep)
    found, step = point, critical * (1 + 1e-4)
    for _ in range(DOUBLINGS if step < torch.inf else 0):
        far = point.weights - step * gradient
        keep = project(far.abs())
        trial = Point(far.masked_fill(~keep, 0), keep)
        risen = model.value(trial.weights)
        if not risen < value:
            break
        found, value, step = trial, risen, 2 * step
    return found


def critical_step(point: Point, gradient: Tensor, group: Tensor) -> float:
    """Return the smallest τ at which the mask of w - τ∇Q changes; infinite if there is none.

    There a kept entry becomes as small as the largest removed one of its group, which reads
    |w_i - τg_i| = τM with M the largest |g_j| among the removed ones. So τ = |w_i| / (M ± |g_i|),
    with plus where the step shrinks w_i.
    """
    sizes = gradient.abs()
    largest = sizes.new_zeros(int(group.max()) + 1)
    largest.scatter_reduce_(0, group, sizes.masked_fill(point.keep, 0), "amax")
    closing = largest[group] + torch.where(point.weights * gradient > 0, sizes, -sizes)
    steps = (point.weights.abs() / closing)[point.keep & (closing > 0)]
    return float(steps.min()) if len(steps) else torch.inf
