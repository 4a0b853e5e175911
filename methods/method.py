"""What every method is: scores that rank the weights, and what happens to the survivors."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from bench.jobs.protocol import PROTOCOLS
from bench.problem.problem import Problem, Target
from bench.problem.weights import Masks, Scores, Weights
from methods import search

Count = Annotated[int, Field(ge=1)]
"""A whole number, at least one."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number above zero."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite number, zero allowed."""


@dataclass(frozen=True)
class Method:
    """A pruning method; its fields are its hyper-parameters.

    A criterion defines `scores`. One that moves the survivors defines `compensate` too, and one
    that doesn't split this way defines `prune` alone.
    A field whose type carries a `Search` or a `Choice` is tuned where a study grants trials.
    """

    trains: ClassVar[bool] = False
    """Whether it finds its mask while it trains, and so runs in protocols of that kind only."""

    @classmethod
    def protocols(cls) -> tuple[str, ...]:
        """The names of the protocols that it can run in."""
        return tuple(n for n, protocol in PROTOCOLS.items() if protocol.method_trains == cls.trains)

    @property
    def uses_labels(self) -> bool:
        """Whether the result depends on the labels of the calibration examples."""
        return True

    @property
    def starts_anew(self) -> bool:
        """Whether training starts from new weights, so that zeros of the dense model don't stay."""
        return False

    def gradients_wanted(self) -> Hashable:
        """Equal for methods that ask for the same gradients of the dense model.

        Jobs of such methods are run one after the other in one process, which computes them once.
        """
        return None

    def gradients_held(self) -> int:
        """How many gradients of all prunable weights it may hold at once.

        Before a job starts, its memory is bounded by this.
        """
        return 0

    def space(self) -> search.Space:
        """What may be tuned here, by field."""
        return search.space(type(self))

    def prune(self, problem: Problem) -> Weights:
        """The pruned weights: removed ones are exactly zero, and exact zeros are the mask."""
        with problem.phase("inverse"):
            scores = self.scores(problem)
        masks = problem.select(scores)
        with problem.phase("update"):
            return self.compensate(problem, masks)

    def scores(self, problem: Problem) -> Scores:
        """A saliency for every prunable weight; the smallest are pruned first."""
        raise NotImplementedError(f"{type(self).__name__} defines neither scores nor prune")

    def compensate(self, problem: Problem, masks: Masks) -> Weights:
        """The weights after removal; here survivors stay as they were."""
        return {name: weight * masks[name] for name, weight in problem.weights.items()}

    def remarks(self, target: Target) -> list[str]:
        """What a reader must know of this use of the method; kept with the record's notes."""
        return []
