"""Quadratic forms vᵀBv of the curvature matrices B of pruning criteria, without damping.

An OBS method predicts that the loss rises by δᵀBδ/2 if the weights move by δ. No B is formed.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from bench.problem.problem import Problem
from bench.problem.weights import unflatten
from methods.curvature.diagonals import fisher_diagonal, ggn_diagonal
from methods.curvature.factors import Factors, Moments, fisher_factors
from methods.ekfac import second_moments

Form = Callable[[Tensor], float]
"""A function that returns vᵀBv for a direction v [d]."""

APPROXIMATIONS: dict[str, str] = {
    "hessian": "magnitude",
    "obd": "obd",
    "obd ggn": "obd",
    "l-obs": "l-obs",
    "kfac": "kfac",
    "kfac true": "kfac",
    "ekfac": "ekfac",
    "woodfisher chunks": "woodfisher",
    "woodfisher layer": "woodfisher",
    "woodfisher": "woodfisher",
}
"""The approximations in the order of tables, each with the method whose colour it has in figures.
"""

CHUNK = 100
"""The width of the blocks of `woodfisher chunks`."""


def forms(problem: Problem, samples: int) -> dict[str, Form]:
    """Return vᵀBv for each of the `APPROXIMATIONS`, from the same m = `samples` examples.

    `hessian` is exact. `obd` and `obd ggn` are the diagonals of the empirical Fisher and of the
    Gauss-Newton matrix. `l-obs` is the squared error of all layers' outputs; it is no loss, so its
    scale can't be compared with the others'. `kfac true` has labels drawn from the model. Charges 5
    + C backward passes per example for C classes, and one Hessian-vector product per example for
    each value of `hessian`.
    """
    gradients = problem.gradients(samples)
    sizes = [weight.numel() for weight in problem.weights.values()]
    chunks = [min(CHUNK, size - at) for size in sizes for at in range(0, size, CHUNK)]
    factors = fisher_factors(problem.signals(samples))
    return {
        "hessian": lambda v: _dot(v, problem.hessian_vector_product(v, samples)),
        "obd": diagonal_form(fisher_diagonal(problem, samples)),
        "obd ggn": diagonal_form(ggn_diagonal(problem, samples)),
        "l-obs": _by_layer(problem, _layer_errors(problem, samples)),
        "kfac": _by_layer(problem, factors),
        "kfac true": _by_layer(problem, fisher_factors(problem.signals(samples, "true"))),
        "ekfac": eigen_form(problem, factors, samples),
        "woodfisher chunks": gradient_form(gradients, chunks),
        "woodfisher layer": gradient_form(gradients, sizes),
        "woodfisher": gradient_form(gradients, [sum(sizes)]),
    }


def diagonal_form(diagonal: Tensor) -> Form:
    """Return the form Σ_q v_q² B_qq."""
    return lambda v: _dot(v.double().square(), diagonal)


def gradient_form(gradients: Tensor, blocks: Sequence[int]) -> Form:
    """Return the form (1/m) Σ_b ‖G_b v_b‖² over blocks b of so many columns of G [m, d]."""
    columns = gradients.split(list(blocks), dim=1)

    def form(v: Tensor) -> float:
        parts = zip(columns, v.split(list(blocks)), strict=True)
        return sum(float((part @ own).double().square().mean()) for part, own in parts)

    return form


def eigen_form(problem: Problem, factors: Mapping[str, Factors], samples: int) -> Form:
    """Return EKFAC's form Σ Λ ⊙ (U_Sᵀ V U_A)², squared elementwise, over layers V [out, in]."""
    bases = {
        name: Factors(*(torch.linalg.eigh(side).eigenvectors for side in (own.output, own.input)))
        for name, own in factors.items()
    }
    moments = {name: torch.zeros(1) for name in bases}
    for chunk in problem.signals(samples):
        for name, signal in chunk.items():
            moments[name] = moments[name] + second_moments(bases[name], [signal]) / samples

    def form(v: Tensor) -> float:
        total = 0.0
        for name, values in unflatten(v.double(), like=problem.weights).items():
            own = bases[name]
            turned = own.output.mT @ own.matrices(values) @ own.input
            total += _dot(turned.square(), moments[name])
        return total

    return form


def _layer_errors(problem: Problem, samples: int) -> dict[str, Factors]:
    """Return L-OBS's I ⊗ H of each layer, with H = (1/n) Σ x xᵀ over its inputs."""
    moments = Moments()
    for columns in problem.inputs(samples):
        moments.add(columns)
    found = {}
    for name, mean in moments.means.items():
        *groups, side, _ = mean.shape
        units = problem.weights[name].numel() // (math.prod(groups) * side)
        identity = torch.eye(units, dtype=torch.float64).expand(*groups, units, units)
        found[name] = Factors(identity, mean)
    return found


def _by_layer(problem: Problem, factors: Mapping[str, Factors]) -> Form:
    """Return the form vᵀ(S ⊗ A)v = Σ V ⊙ (S V A) over layers V [out, in]."""

    def form(v: Tensor) -> float:
        total = 0.0
        for name, values in unflatten(v.double(), like=problem.weights).items():
            own = factors[name]
            flat = own.matrices(values)
            total += _dot(flat, own.output @ flat @ own.input)
        return total

    return form


def _dot(left: Tensor, right: Tensor) -> float:
    return float((left.double() * right.double()).sum())
