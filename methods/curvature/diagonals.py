"""Diagonals of curvature matrices over the flat vector of d prunable weights."""

import torch
from torch import Tensor, nn

from bench.problem.gradients.signal import Signal
from bench.problem.gradients.targets import Fisher
from bench.problem.problem import Problem
from bench.problem.weights import flatten
from methods.curvature.products import assert_no_overflow


def fisher_diagonal(problem: Problem, samples: int, fisher: Fisher = "empirical") -> Tensor:
    """Return diag F [d]: F_qq = (1/m) Σ_i g_iq² over the gradients g_i of m = `samples` examples.

    The squares are those of per-example gradients, never of their mean. With `true`, one label per
    example is drawn from the model. Cost: m backward passes. Source: Theis et al. 2018; for `true`,
    Kunstner et al. 2019. Raises `MethodError` if a sum of squares overflows.
    """
    total = _zeros(problem)
    for chunk in problem.signals(samples, fisher):
        total += _squares(chunk)
    assert_no_overflow("the squares of gradients", total)
    return total / samples


def ggn_diagonal(problem: Problem, samples: int) -> Tensor:
    """Return diag G [d] of the generalised Gauss-Newton matrix of m = `samples` examples.

    G = (1/m) Σ_i J_iᵀ Λ_i J_i with the Jacobian J_i of an example's outputs and the Hessian Λ_i of
    its loss in them. It is exact: the objective takes Λ apart into Σ_k w_k s_k s_kᵀ, where s_k is
    the gradient in the outputs for the targets of term k, so G_qq = (1/m) Σ_i Σ_k w_ik g_ikq². For
    classes Λ = diag p - p pᵀ = Σ_c p_c (p - e_c)(p - e_c)ᵀ, one term for each class; for
    regression Λ = I, one for each output; for language models one for each token at each of the t
    positions. This is also the true Fisher with its expectation over targets taken exactly (for
    language models t times it, see bench/problem/objectives.py). Where the network is piecewise
    linear in each weight (ReLU, max pooling, normalisation by stored statistics), it is the
    Hessian's diagonal too. Cost: m backward passes for each of the terms. Source: Schraudolph 2002;
    Martens 2020. Raises `MethodError` if a sum of squares overflows.
    """
    total = _zeros(problem)
    weights = problem.objective.term_weights(problem.predictions(samples))
    for number, of_term in enumerate(weights.unbind(1)):
        chunks = problem.signals(samples, number)
        for chunk, weight in zip(chunks, of_term.split(problem.chunk), strict=True):
            total += _squares(chunk, weight)
    assert_no_overflow("the squares of gradients", total)
    return total / samples


def hessian_diagonal(problem: Problem, samples: int) -> Tensor:
    """Return diag H [d] of the mean loss of m = `samples` examples: H_qq = e_qᵀ H e_q each.

    It is exact; entries may be negative. Cost: d × m Hessian-vector products, so for small nets
    only.
    """
    diagonal = _zeros(problem)
    basis = torch.zeros_like(diagonal)
    for q in range(len(diagonal)):
        basis[q] = 1
        diagonal[q] = problem.hessian_vector_product(basis, samples)[q]
        basis[q] = 0
    return diagonal


def hutchinson_diagonal(problem: Problem, samples: int, probes: int) -> Tensor:
    """Return diag H [d], estimated: (1/k) Σ v ⊙ H v over k = `probes` vectors v of random signs.

    It is unbiased, with variance Σ_{r≠q} H_qr² / k: exact where H is diagonal, while elsewhere an
    entry may be negative by noise alone. Cost: k × m Hessian-vector products. Source: Hutchinson
    1989; Bekas et al. 2007.
    """
    total = _zeros(problem)
    generator = problem.generator("Hutchinson probes")
    for _ in range(probes):
        signs = torch.randint(2, total.shape, generator=generator) * 2 - 1
        probe = signs.to(total)
        total += probe * problem.hessian_vector_product(probe, samples)
    return total / probes


def _zeros(problem: Problem) -> Tensor:
    """Return a zero for each prunable weight, [d]."""
    return torch.zeros_like(flatten(problem.weights))


def _squares(chunk: dict[str, Signal], weight: Tensor | None = None) -> Tensor:
    """Return Σ_i weight_i g_i² [d] over a chunk's examples; without `weight` [n] all weigh one."""
    return torch.cat([_layer_squares(signal, weight) for signal in chunk.values()])


def _layer_squares(signal: Signal, weight: Tensor | None) -> Tensor:
    """Return Σ_i weight_i g_i² of one layer, [out * in]."""
    outputs = signal.output_gradients
    if weight is None:
        weight = outputs.new_ones(len(outputs))
    if outputs.shape[2] == 1 and isinstance(signal.module, nn.Linear):
        # With one position g = δ aᵀ, so Σ g² = (δ²)ᵀ a²: no gradient of an example is formed.
        delta, inputs = outputs.squeeze(2), signal.inputs.squeeze(2)
        return ((delta.square() * weight[:, None]).T @ inputs.square()).flatten()
    return weight @ signal.gradients().square_()
