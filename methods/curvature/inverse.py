"""What an optimal brain surgeon needs of a curvature matrix: its inverse in a few operations."""

from typing import Protocol

from torch import Tensor


class Inverse(Protocol):
    """The inverse H⁻¹ of a damped curvature matrix over the flat vector of d prunable weights."""

    @property
    def diagonal(self) -> Tensor:
        """The diagonal of H⁻¹, [d]; positive."""

    def product(self, vector: Tensor) -> Tensor:
        """H⁻¹ times a vector [d]."""


class JointInverse(Inverse, Protocol):
    """An inverse that can also take many weights out at once, exactly."""

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """The move δ [d] that minimises δᵀHδ/2 with δ_q = -w_q for all removed q at once.

        δ = -H⁻¹E (EᵀH⁻¹E)⁻¹ Eᵀw, with E the columns of the identity that are removed. `removed`
        holds w [d], zero where `keep` is True.
        """


class FisherInverse(JointInverse, Protocol):
    """The inverse of a Fisher made of gradients, which also knows their mean."""

    @property
    def mean_gradient(self) -> Tensor:
        """The mean ḡ of the gradients that the Fisher is made of, [d]."""
