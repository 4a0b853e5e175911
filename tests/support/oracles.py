"""Curvature matrices the slow, obvious way: dense, in double precision."""

import torch
from torch import Tensor


def dense_fisher(gradients: Tensor, damping: float) -> Tensor:
    """λI + (1/m) Σ g_i g_iᵀ as a dense [d, d] matrix."""
    gradients = gradients.double()
    identity = torch.eye(gradients.shape[1], dtype=torch.float64)
    return damping * identity + gradients.T @ gradients / len(gradients)


def woodfisher_recursion(gradients: Tensor, damping: float) -> Tensor:
    """The inverse by m rank-one updates of a dense [d, d] matrix (Singh & Alistarh 2020, eq. 5)."""
    inverse = torch.eye(gradients.shape[1], dtype=gradients.dtype) / damping
    for gradient in gradients:
        product = inverse @ gradient
        inverse -= torch.outer(product, product) / (len(gradients) + gradient @ product)
    return inverse


def mfac_static(gradients: Tensor, damping: float) -> Tensor:
    """The inverse by M-FAC's static algorithm: F⁻¹g_i of each prefix, then I/λ minus their sum.

    v_i = F_{i-1}⁻¹ g_i = g_i/λ - Σ_{j<i} v_j (v_jᵀg_i) / (m + g_jᵀv_j); Frantar et al. 2021.
    """
    count = len(gradients)
    found: list[Tensor] = []
    sizes: list[Tensor] = []
    for gradient in gradients:
        product = gradient / damping
        for earlier, size in zip(found, sizes, strict=True):
            product = product - earlier * (earlier @ gradient) / size
        found.append(product)
        sizes.append(count + gradient @ product)
    inverse = torch.eye(gradients.shape[1], dtype=gradients.dtype) / damping
    for product, size in zip(found, sizes, strict=True):
        inverse -= torch.outer(product, product) / size
    return inverse


def block_mask(sizes: list[int], blocks: str | int) -> Tensor:
    """Ones [d, d] inside the blocks, zeros outside: `full`, `layer`, or chunks within layers."""
    parts: list[int] = []
    for size in sizes:
        if blocks == "layer":
            parts.append(size)
        elif blocks != "full":
            parts += [blocks] * (size // blocks) + [size % blocks] * (size % blocks > 0)
    if blocks == "full":
        parts = [sum(sizes)]
    return torch.block_diag(*[torch.ones(n, n, dtype=torch.float64) for n in parts])


def sum_of_single_moves(weights: Tensor, inverse: Tensor, keep: Tensor) -> Tensor:
    """Σ_q -(w_q / [H⁻¹]_qq) H⁻¹e_q over the removed q (Hassibi & Stork 1992, eq. 5, summed)."""
    move = torch.zeros_like(weights)
    for q in (~keep).nonzero().squeeze(1):
        move -= weights[q] / inverse[q, q] * inverse[:, q]
    return move


def joint_obs(weights: Tensor, inverse: Tensor, keep: Tensor) -> Tensor:
    """-H⁻¹E (EᵀH⁻¹E)⁻¹ Eᵀw with E the removed columns of the identity."""
    columns = torch.eye(len(weights), dtype=weights.dtype)[:, ~keep]
    inner = columns.T @ inverse @ columns
    return -inverse @ columns @ torch.linalg.solve(inner, columns.T @ weights)
