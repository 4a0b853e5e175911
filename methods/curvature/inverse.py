"""What OBS methods need of a curvature matrix: the operations of its inverse."""

from typing import Protocol

from torch import Tensor


class Inverse(Protocol):
    """The inverse H⁻¹ of a damped curvature matrix over the flat vector of d prunable weights."""

    @property
    def diagonal(self) -> Tensor:
        """The diagonal of H⁻¹, [d]; positive."""

    def product(self, vector: Tensor) -> Tensor:
        """Return H⁻¹ v for a vector v [d]."""


class JointInverse(Inverse, Protocol):
    """An inverse that can also remove many weights at once, exactly."""

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the move δ [d] that minimises δᵀHδ/2 with δ_q = -w_q for all removed q at once.

        δ = -H⁻¹E (EᵀH⁻¹E)⁻¹ Eᵀw, where E holds the columns of the identity of the removed weights.
        `removed` holds w [d] at the removed weights and is zero where `keep` is True.
        """


class FisherInverse(JointInverse, Protocol):
    """The inverse of a Fisher made from gradients, which also gives their mean."""

    @property
    def mean_gradient(self) -> Tensor:
        """The mean ḡ of the gradients that the Fisher is made of, [d]."""
