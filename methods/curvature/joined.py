"""Joins the inverses of diagonal blocks to the inverse of the block-diagonal matrix."""

import functools
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from methods.curvature.inverse import FisherInverse, Inverse, JointInverse

InverseT = TypeVar("InverseT", bound=Inverse)
JointT = TypeVar("JointT", bound=JointInverse)


class JoinedInverse(Generic[InverseT]):
    """Inverse blocks that each cover a contiguous part of the flat vector [d], in order."""

    def __init__(self, parts: Sequence[InverseT]) -> None:
        self.parts = parts

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """The diagonal of the inverse, [d]."""
        return torch.cat([part.diagonal for part in self.parts])

    def product(self, vector: Tensor) -> Tensor:
        """Return the inverse times a vector [d]."""
        pieces = zip(self.parts, self.split(vector), strict=True)
        return torch.cat([part.product(piece) for part, piece in pieces])

    def split(self, vector: Tensor) -> Sequence[Tensor]:
        """Split a vector [d] into the parts that belong to the blocks."""
        pieces: Sequence[Tensor] = vector.split([len(part.diagonal) for part in self.parts])
        return pieces


class JoinedJointInverse(JoinedInverse[JointT]):
    """Inverse blocks that can each remove many weights at once."""

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """Return the exact joint OBS move [d], block by block."""
        pieces = zip(self.parts, self.split(removed), self.split(keep), strict=True)
        return torch.cat([part.joint_move(values, mask) for part, values, mask in pieces])


class JoinedFisherInverse(JoinedJointInverse[FisherInverse]):
    """The inverse blocks of one Fisher, all made from the same gradients."""

    @property
    def mean_gradient(self) -> Tensor:
        """The mean gradient, [d]."""
        return torch.cat([part.mean_gradient for part in self.parts])
