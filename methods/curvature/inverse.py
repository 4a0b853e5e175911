"""What an optimal brain surgeon needs of a curvature matrix: its inverse in two operations."""

from typing import Protocol

from torch import Tensor


class Inverse(Protocol):
    """The inverse H⁻¹ of a damped curvature matrix over the flat vector of d prunable weights."""

    @property
    def diagonal(self) -> Tensor:
        """The diagonal of H⁻¹, [d]; positive."""

    def product(self, vector: Tensor) -> Tensor:
        """H⁻¹ times a vector [d]."""
