"""Inverses of the diagonal blocks of a matrix, joined to the inverse of the whole."""

import functools
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from methods.curvature.inverse import FisherInverse, Inverse, JointInverse

InverseT = TypeVar("InverseT", bound=Inverse)
JointT = TypeVar("JointT", bound=JointInverse)


class JoinedInverse(Generic[InverseT]):
    """Parts that each own a contiguous stretch of the flat vector [d], in order."""

    def __init__(self, parts: Sequence[InverseT]) -> None:
        self.parts = parts

    @functools.cached_property
    def diagonal(self) -> Tensor:
        """diag of the inverse, [d]."""
        return torch.cat([part.diagonal for part in self.parts])

    def product(self, vector: Tensor) -> Tensor:
        """The inverse times a vector [d]."""
        pieces = zip(self.parts, self.split(vector), strict=True)
        return torch.cat([part.product(piece) for part, piece in pieces])

    def split(self, vector: Tensor) -> Sequence[Tensor]:
        """The vector [d] cut into those of the parts."""
        pieces: Sequence[Tensor] = vector.split([len(part.diagonal) for part in self.parts])
        return pieces


class JoinedJointInverse(JoinedInverse[JointT]):
    """Parts that can each take many weights out at once."""

    def joint_move(self, removed: Tensor, keep: Tensor) -> Tensor:
        """The exact joint OBS move [d], part by part."""
        pieces = zip(self.parts, self.split(removed), self.split(keep), strict=True)
        return torch.cat([part.joint_move(values, mask) for part, values, mask in pieces])


class JoinedFisherInverse(JoinedJointInverse[FisherInverse]):
    """Parts of one Fisher, made of the same gradients."""

    @property
    def mean_gradient(self) -> Tensor:
        """The mean gradient, [d]."""
        return torch.cat([part.mean_gradient for part in self.parts])
