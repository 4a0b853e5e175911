"""Sparse evolutionary training (Mocanu et al. 2018, Scalable Training of Neural Networks)."""

from dataclasses import dataclass
from typing import Literal

from methods.rigl import RigL


@dataclass(frozen=True)
class SET(RigL):
    """Train sparse from the first step; drop the smallest |w|, grow at random.

    It is RigL with random growth of new random weights and a constant fraction, to the end of the
    training.

    Differs from the paper: the allocation is the job's, and the weights that are smallest in
    absolute value are dropped, not the smallest positive and the largest negative ones.
    """

    end: float = 1.0
    decay: Literal["cosine", "constant"] = "constant"
    growth: Literal["gradient", "random"] = "random"
