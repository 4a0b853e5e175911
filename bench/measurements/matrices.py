"""Complete curvature matrices of one linear layer, and approximations, in double precision.

Weights are flattened in row-major order [out, in], in which the gradient δ aᵀ is the vector δ ⊗ a
and K-FAC's matrix is S ⊗ A. In the other order, A ⊗ S, the entries of a square block belong to
other weights. It is only for layers so small that d² numbers fit into memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.problem.gradients.hessian import hessian_vector_product
from bench.problem.gradients.watch import signals
from bench.problem.objectives import CLASSIFICATION


@dataclass(frozen=True)
class Moments:
    """The second moment F [d, d] of gradients δ aᵀ, and its factors S [out, out] and A [in, in]."""

    fisher: Tensor
    output: Tensor
    input: Tensor


def hessian(model: nn.Module, layer: str, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the layer's block [d, d] of the Hessian of the mean loss, one column per product."""
    name = f"{layer}.weight"
    basis = torch.eye(model.get_parameter(name).numel(), dtype=inputs.dtype)
    columns = [hessian_vector_product(model, [name], e, inputs, labels) for e in basis]
    return torch.stack(columns, dim=1) / len(inputs)


def empirical(model: nn.Module, layer: str, inputs: Tensor, labels: Tensor) -> Moments:
    """Return the empirical Fisher (1/m) Σ g gᵀ and its factors, with these labels."""
    return _moments(model, layer, inputs, labels, torch.ones(len(inputs), dtype=inputs.dtype))


def true(model: nn.Module, layer: str, inputs: Tensor) -> Moments:
    """Return the true Fisher and its factors: the mean over examples of Σ_c p_c g_c g_cᵀ.

    The expectation over the model's own labels is taken exactly.
    """
    probabilities = CLASSIFICATION.predicted(model(inputs))
    parts = [
        _moments(model, layer, inputs, torch.full((len(inputs),), label), weight)
        for label, weight in enumerate(probabilities.unbind(1))
    ]
    # Each example's weights sum to one over the labels, so the inputs' moments add up to the right
    # ones.
    return Moments(*(sum(sides) for sides in zip(*map(_sides, parts), strict=True)))


def kronecker(moments: Moments) -> Tensor:
    """Return K-FAC's S ⊗ A."""
    return torch.kron(moments.output, moments.input)


def swapped(moments: Moments) -> Tensor:
    """Return A ⊗ S, the same factors in the wrong order for row-major weights."""
    return torch.kron(moments.input, moments.output)


def eigenvalue_corrected(moments: Moments) -> Tensor:
    """Return EKFAC's U Λ Uᵀ with U = U_S ⊗ U_A and Λ = diag UᵀFU."""
    basis = torch.kron(
        torch.linalg.eigh(moments.output).eigenvectors,
        torch.linalg.eigh(moments.input).eigenvectors,
    )
    eigenvalues = (basis.T @ moments.fisher @ basis).diagonal()
    corrected: Tensor = basis * eigenvalues @ basis.T
    return corrected


def nearest_kronecker(moments: Moments) -> Tensor:
    """Return the B ⊗ C nearest to F in Frobenius norm, by a rank-one SVD (Van Loan 1993).

    The SVD is that of F with its entries rearranged to [out², in²].
    """
    out, given = len(moments.output), len(moments.input)
    rearranged = moments.fisher.view(out, given, out, given).transpose(1, 2).reshape(out**2, -1)
    left, sizes, right = torch.linalg.svd(rearranged, full_matrices=False)
    return torch.kron(sizes[0] * left[:, 0].view(out, out), right[0].view(given, given))


def blocks(matrix: Tensor, width: int) -> Tensor:
    """Return the matrix with zeros outside blocks of so many weights."""
    block = torch.arange(len(matrix)) // width
    return matrix * (block[:, None] == block)


def low_rank(matrix: Tensor, rank: int) -> Tensor:
    """Return the matrix of this rank that is nearest to a symmetric positive one."""
    values, vectors = torch.linalg.eigh(matrix)
    largest: Tensor = vectors[:, -rank:] * values[-rank:] @ vectors[:, -rank:].T
    return largest


def relative_error(matrix: Tensor, reference: Tensor) -> float:
    """Return ‖M - R‖ / ‖R‖ in Frobenius norm."""
    return float((matrix - reference).norm() / reference.norm())


def best_scale(matrix: Tensor, reference: Tensor) -> float:
    """Return the α for which αM is nearest to R; above 1 where M is too small."""
    return float((matrix * reference).sum() / matrix.square().sum())


def _moments(
    model: nn.Module, layer: str, inputs: Tensor, labels: Tensor, weight: Tensor
) -> Moments:
    """Return Σ_i weight_i g_i g_iᵀ / m, and likewise those of δ and a."""
    signal = signals(model, [layer], inputs, labels)[layer]
    sides = signal.gradients(), signal.output_gradients.squeeze(2), signal.inputs.squeeze(2)
    return Moments(*(rows.T @ (rows * weight[:, None]) / len(inputs) for rows in sides))


def _sides(moments: Moments) -> tuple[Tensor, Tensor, Tensor]:
    return moments.fisher, moments.output, moments.input
