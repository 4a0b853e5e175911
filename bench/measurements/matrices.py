"""Curvature matrices of one linear layer, whole and in double precision, and what stands for them.

Weights are flattened in row-major order [out, in], in which the gradient δ aᵀ is the vector δ ⊗ a
and K-FAC's matrix is S ⊗ A. In the other order, A ⊗ S, the entries of a square block belong to
other weights. Only for layers so small that d² numbers fit.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.problem.gradients.hessian import hessian_vector_product
from bench.problem.gradients.watch import signals


@dataclass(frozen=True)
class Moments:
    """The second moment F [d, d] of gradients δ aᵀ, and its factors S [out, out], A [in, in]."""

    fisher: Tensor
    output: Tensor
    input: Tensor


def hessian(model: nn.Module, layer: str, inputs: Tensor, labels: Tensor) -> Tensor:
    """The layer's block [d, d] of the Hessian of the mean loss, a column a product."""
    name = f"{layer}.weight"
    basis = torch.eye(model.get_parameter(name).numel(), dtype=inputs.dtype)
    columns = [hessian_vector_product(model, [name], e, inputs, labels) for e in basis]
    return torch.stack(columns, dim=1) / len(inputs)


def empirical(model: nn.Module, layer: str, inputs: Tensor, labels: Tensor) -> Moments:
    """The empirical Fisher (1/m) Σ g gᵀ and its factors, with these labels."""
    return _moments(model, layer, inputs, labels, torch.ones(len(inputs), dtype=inputs.dtype))


def true(model: nn.Module, layer: str, inputs: Tensor) -> Moments:
    """The true Fisher, E over the model's own labels taken exactly: Σ_c p_c g_c g_cᵀ."""
    probabilities = model(inputs).softmax(dim=1)
    parts = [
        _moments(model, layer, inputs, torch.full((len(inputs),), label), weight)
        for label, weight in enumerate(probabilities.unbind(1))
    ]
    # Each example's weights sum to one over labels, so the inputs' moments add up to their own.
    return Moments(*(sum(sides) for sides in zip(*map(_sides, parts), strict=True)))


def kronecker(moments: Moments) -> Tensor:
    """K-FAC's S ⊗ A."""
    return torch.kron(moments.output, moments.input)


def swapped(moments: Moments) -> Tensor:
    """A ⊗ S, the same factors in the wrong order for row-major weights."""
    return torch.kron(moments.input, moments.output)


def eigenvalue_corrected(moments: Moments) -> Tensor:
    """EKFAC's U Λ Uᵀ with U = U_S ⊗ U_A and Λ = diag UᵀFU."""
    basis = torch.kron(
        torch.linalg.eigh(moments.output).eigenvectors,
        torch.linalg.eigh(moments.input).eigenvectors,
    )
    eigenvalues = (basis.T @ moments.fisher @ basis).diagonal()
    corrected: Tensor = basis * eigenvalues @ basis.T
    return corrected


def nearest_kronecker(moments: Moments) -> Tensor:
    """The B ⊗ C nearest to F in Frobenius norm: rank one of F rearranged (Van Loan 1993)."""
    out, given = len(moments.output), len(moments.input)
    rearranged = moments.fisher.view(out, given, out, given).transpose(1, 2).reshape(out**2, -1)
    left, sizes, right = torch.linalg.svd(rearranged, full_matrices=False)
    return torch.kron(sizes[0] * left[:, 0].view(out, out), right[0].view(given, given))


def blocks(matrix: Tensor, width: int) -> Tensor:
    """The matrix inside blocks of so many weights, zero between them."""
    block = torch.arange(len(matrix)) // width
    return matrix * (block[:, None] == block)


def low_rank(matrix: Tensor, rank: int) -> Tensor:
    """The nearest matrix of this rank to a symmetric positive one."""
    values, vectors = torch.linalg.eigh(matrix)
    largest: Tensor = vectors[:, -rank:] * values[-rank:] @ vectors[:, -rank:].T
    return largest


def relative_error(matrix: Tensor, reference: Tensor) -> float:
    """‖M - R‖ / ‖R‖ in Frobenius norm."""
    return float((matrix - reference).norm() / reference.norm())


def best_scale(matrix: Tensor, reference: Tensor) -> float:
    """The α for which αM is nearest to R: above 1 where M is too small."""
    return float((matrix * reference).sum() / matrix.square().sum())


def _moments(
    model: nn.Module, layer: str, inputs: Tensor, labels: Tensor, weight: Tensor
) -> Moments:
    """Σ_i weight_i g_i g_iᵀ / m, and so for δ; a's weighted likewise."""
    signal = signals(model, [layer], inputs, labels)[layer]
    sides = signal.gradients(), signal.output_gradients.squeeze(2), signal.inputs.squeeze(2)
    return Moments(*(rows.T @ (rows * weight[:, None]) / len(inputs) for rows in sides))


def _sides(moments: Moments) -> tuple[Tensor, Tensor, Tensor]:
    return moments.fisher, moments.output, moments.input
