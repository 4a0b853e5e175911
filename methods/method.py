"""The base class of all methods: scores that rank the weights, and what happens to survivors."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bench.jobs.protocol import PROTOCOLS
from bench.problem.contents import OfOneJob
from bench.problem.problem import Problem, Target
from bench.problem.weights import Masks, Scores, Weights
from methods import search

Count = Annotated[int, Field(ge=1)]
"""An integer field of at least one."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number field above zero."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A number field from 0 to 1, both included."""

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite number field of at least zero."""


@dataclass(frozen=True)
class Method(OfOneJob):
    """A pruning method; its fields are its hyper-parameters.

    A method that only ranks weights defines `scores`. One that also moves the survivors defines
    `compensate` too. One whose estimate is more than scores, such as an inverse, defines `estimate`
    and `apply`; one that can't separate what it learns of the dense model from the target defines
    `prune` alone, and then its jobs share no estimate. A field whose type carries a `Search` or a
    `Choice` is tuned if a study grants tuning trials.
    """

    trains: ClassVar[bool] = False
    """Whether the method finds its mask while it trains, and so runs in protocols of that kind
    only."""

    @classmethod
    def protocols(cls) -> tuple[str, ...]:
        """Return the names of the protocols that the method can run in."""
        return tuple(n for n, protocol in PROTOCOLS.items() if protocol.method_trains == cls.trains)

    @property
    def uses_labels(self) -> bool:
        """Whether the result depends on the labels of the calibration examples."""
        return True

    @property
    def starts_anew(self) -> bool:
        """Whether training starts from new weights, so that zeros of the dense model may change."""
        return False

    def gradients_wanted(self) -> Hashable:
        """Return a value that is equal for methods that ask for the same gradients.

        Jobs of such methods are run one after the other in one process, which computes the
        gradients of the dense model once.
        """
        return None

    def gradients_held(self) -> int:
        """Return how many gradients of all prunable weights the method may hold at once.

        The memory that a job needs is estimated from it before the job starts.
        """
        return 0

    def space(self) -> search.Space:
        """Return what may be tuned here, by field name."""
        return search.space(type(self))

    @property
    def splits(self) -> bool:
        """Whether pruning is `estimate` and then `apply`, so that one estimate serves many jobs."""
        return type(self).prune is Method.prune

    def prune(self, problem: Problem) -> Weights:
        """Return the pruned weights by name; their exact zeros are the mask.

        `bench/run/contract.py` checks that their number is exactly what the target asks for.
        """
        return self.apply(problem, self.estimate(problem))

    def estimate(self, problem: Problem) -> Any:
        """Return what the method learns of the dense model before it is told a target.

        Jobs of one process that differ in their target only get the same object, so `apply` must
        not change it. It consists of tensors, plain values and objects made of them; another one
        isn't shared. See bench/run/sharing/estimates.py.
        """
        with problem.phase("inverse"):
            return self.scores(problem)

    def apply(self, problem: Problem, estimate: Any) -> Weights:
        """Return the weights pruned to the problem's target, by an estimate of the same problem."""
        masks = problem.select(estimate)
        with problem.phase("update"):
            return self.compensate(problem, masks)

    def scores(self, problem: Problem) -> Scores:
        """Return a saliency for every prunable weight; the smallest are pruned first."""
        raise NotImplementedError(f"{type(self).__name__} defines neither scores nor prune")

    def compensate(self, problem: Problem, masks: Masks) -> Weights:
        """Return the weights after removal; by default survivors stay as they were."""
        return {name: weight * masks[name] for name, weight in problem.weights.items()}

    def remarks(self, target: Target) -> list[str]:
        """Return what a reader must know of this use of the method.

        The record keeps it as notes.
        """
        return []

    def lighter(self) -> str:
        """Return what to set so that the method holds less memory; empty if nothing helps."""
        return "take fewer samples" if self.gradients_held() else ""
