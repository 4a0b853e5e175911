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
