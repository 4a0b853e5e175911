"""The quadratic model of the loss as a ridge regression, and its sparse minimisation."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bench.problem.gradients.per_example import Gradients
from methods.curvature.kernel import SupportKernel, among
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
        if chosen.all():
            return self
        return replace(self, gradients=among(self.gradients, chosen), centre=self.centre[chosen])

    def value(self, weights: Tensor, outputs: Tensor | None = None) -> float:
        """Return Q(w); the product G w [m] is computed unless it is given as `outputs`."""
        misfit, offset = self._misfit(weights, outputs).double(), (weights - self.centre).double()
        return float(misfit @ misfit / len(misfit) + self.damping * offset @ offset) / 2

    def gradient(self, weights: Tensor, outputs: Tensor | None = None) -> Tensor:
        """Return ∇Q(w) = Gᵀ(G w - b)/m + λ(w - w̄), [d]; `outputs` is G w if it is known."""
        misfit = self._misfit(weights, outputs)
        pull = self.gradients.transposed_times(misfit) / len(misfit)
        return pull + self.damping * (weights - self.centre)

    def curvature(self, direction: Tensor, outputs: Tensor | None = None) -> float:
        """Return vᵀFv for v [d]; `outputs` is G v if it is known."""
        product = self.gradients.times(direction) if outputs is None else outputs
        wide, given = product.double(), direction.double()
        return float(wide @ wide / len(wide) + self.damping * given @ given)

    def solution(self, keep: Tensor) -> "Point":
        """Return the minimiser of Q with weights outside `keep` [d] at zero: CHITA's backsolve."""
        weights = self.centre * keep
        missing = self.target - self.gradients.times(weights)
        weights[keep] += ridge(self.gradients, self.damping, missing, keep, self._kernel)
        return Point(weights, keep)

    def outputs(self, point: "Point") -> Tensor:
        """Return G w [m] of a point, computed unless it is known."""
        return self.gradients.times(point.weights) if point.outputs is None else point.outputs

    def _misfit(self, weights: Tensor, outputs: Tensor | None) -> Tensor:
        """Return G w - b, [m]."""
        return (self.gradients.times(weights) if outputs is None else outputs) - self.target

    @functools.cached_property
    def _kernel(self) -> SupportKernel:
        """The kernel of the support that was solved last, from which that of the next follows."""
        return SupportKernel(self.gradients)


@dataclass(frozen=True)
class Point:
    """Weights [d] that are zero outside `keep` [d], with their product G w [m] if it is known.

    The product is the same in the model of any subset of the weights that holds `keep`.
    """

    weights: Tensor
    keep: Tensor
    outputs: Tensor | None = None


def descent(
    model: Quadratic, start: Point, project: Projection, group: Tensor, steps: int
) -> Point:
    """Iterative hard thresholding: w ← P(w - τ∇Q), up to `steps` times while Q falls.

    `group` [d] numbers the groups that the projection P counts separately.
    """
    point = replace(start, outputs=model.outputs(start))
    value = model.value(point.weights, point.outputs)
    for _ in range(steps):
        moved = thresholded(model, point, project, group)
        found = model.value(moved.weights, moved.outputs)
        if found >= value - SMALL * abs(value):
            break
        point, value = moved, found
    return point


def thresholded(model: Quadratic, point: Point, project: Projection, group: Tensor) -> Point:
    """Take one step w ← P(w - τ∇Q), with τ from the paper's line search.

    Up to the critical τ the mask doesn't change, and Q is a parabola in τ; if its minimum lies
    there, this τ is taken. Otherwise τ doubles from the critical one for as long as Q falls. Cost:
    a product with Gᵀ and one with G, another with G for each τ tried beyond the critical one.
    Source: Benbaki et al. 2023 (CHITA), algorithm 2.
    """
    outputs = model.outputs(point)
    gradient = model.gradient(point.weights, outputs)
    inside = gradient * point.keep
    slopes = model.gradients.times(inside)
    curvature = model.curvature(inside, slopes)
    critical = critical_step(point, gradient, group)
    slope, value = float(inside.double() @ inside.double()), model.value(point.weights, outputs)
    # Where the weights already minimise Q on their support, only another mask can lower it.
    solved = slope**2 <= 2 * curvature * SMALL * abs(value)
    if not solved and slope / curvature < critical:
        weights = point.weights - slope / curvature * inside
        return Point(weights, point.keep, outputs - slope / curvature * slopes)
    found, step = point, critical * (1 + 1e-4)
    for _ in range(DOUBLINGS if step < torch.inf else 0):
        far = point.weights - step * gradient
        keep = project(far.abs())
        kept = far.masked_fill(~keep, 0)
        trial = Point(kept, keep, model.gradients.times(kept))
        risen = model.value(trial.weights, trial.outputs)
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
