"""The base class of sparse-training methods, which act on the one training loop, step by step."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.common.errors import MethodError
from bench.problem.problem import Problem, Target
from bench.problem.training.loop import Sparsifier, Training
from bench.problem.weights import Weights
from methods.method import Method


@dataclass(frozen=True)
class SparseTraining(Method):
    """A method that finds its mask while it trains; a subclass defines `sparsifier`.

    `start` is where training starts: at the pair's `dense` checkpoint, or from `scratch` with new
    weights that follow from the job's seed.
    """

    trains: ClassVar[bool] = True

    start: Literal["dense", "scratch"] = "dense"

    @property
    def starts_anew(self) -> bool:
        """True if training starts from scratch."""
        return self.start == "scratch"

    def sparsifier(self, target: Target) -> Sparsifier:
        """Return the sparsifier that reaches this target in the course of one training."""
        raise NotImplementedError(f"{type(self).__name__} defines no sparsifier")

    def train(self, training: Training, target: Target) -> None:
        """Run the training; the budget allows the steps of one training."""
        training.run(self.sparsifier(target))

    def prune(self, problem: Problem) -> Weights:
        """Raises `MethodError`: the method can't prune without training."""
        where = ", ".join(self.protocols())
        raise MethodError(f"{type(self).__name__} trains: it runs in the protocol {where}")
