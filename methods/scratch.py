"""A fixed mask trained from scratch (Liu et al. 2018, Rethinking the Value of Network Pruning)."""

from dataclasses import dataclass
from typing import Literal

from bench.problem.problem import Target
from bench.problem.selection import select
from bench.problem.training.loop import Sparsifier, Training
from methods.rigl import random_masks
from methods.sparse_training import SparseTraining


@dataclass(frozen=True)
class Scratch(SparseTraining):
    """The control of every method that trains: new weights under a mask that never changes.

    `mask` is `random`, or by `magnitude` of the weights that training starts from; with `start =
    "dense"` these are the dense ones. The accuracy it reaches is due to training alone. Cost: O(d).
    """

    start: Literal["dense", "scratch"] = "scratch"
    mask: Literal["random", "magnitude"] = "random"

    def sparsifier(self, target: Target) -> Sparsifier:
        """Return the sparsifier that sets the mask before the first step."""
        return _FirstMask(self.mask, target)


class _FirstMask(Sparsifier):
    def __init__(self, mask: str, target: Target) -> None:
        self._mask, self._target = mask, target

    def before_step(self, training: Training) -> None:
        """Set the one mask before the first step."""
        if training.step > 0:
            return
        if self._mask == "random":
            masks = random_masks(training, self._target)
        else:
            scores = {name: weight.detach().abs() for name, weight in training.parameters.items()}
            masks = select(scores, self._target.allocation, self._target.sparsity, training.masks)
        training.set_masks(masks)
        training.pruning_ended()
