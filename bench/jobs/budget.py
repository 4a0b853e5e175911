"""What a job may use and what it has used, counted where data and gradients are handed out."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.jobs.measure import Measure

Resource = Literal[
    "calibration_examples",
    "backward_passes",
    "hessian_vector_products",
    "recomputations",
    "training_steps",
    "tuning_trials",
]
"""The resources that a budget limits."""

Charge = tuple[Resource, int]
"""A resource and the amount that was charged; of calibration examples, how many were seen."""


class Budget(BaseModel):
    """The limits that every method of a study gets; all are plain counts.

    `calibration_examples` are distinct examples. `backward_passes` count one per example and pass,
    so a mini-batch gradient of b examples costs b. `recomputations` are estimates of curvature
    after the first one. The same type holds what a job has spent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    calibration_examples: Annotated[int, Measure("examples")] = Field(0, ge=0)
    backward_passes: Annotated[int, Measure("backward passes")] = Field(0, ge=0)
    hessian_vector_products: Annotated[int, Measure("Hessian-vector products", page="data")] = (
        Field(0, ge=0)
    )
    recomputations: Annotated[int, Measure("recomputations", page="data")] = Field(0, ge=0)
    training_steps: Annotated[int, Measure("training steps", page="data")] = Field(0, ge=0)
    tuning_trials: Annotated[int, Measure("tuning trials", page="data")] = Field(0, ge=0)


class OverBudget(Exception):
    """Raised when a job asks for more than its budget allows."""


class Meter:
    """Counts what one job uses; raises `OverBudget` before anything beyond the budget is used."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._spent: dict[str, int] = dict.fromkeys(Budget.model_fields, 0)
        self._notes: list[list[Charge]] = []

    def charge(self, resource: Resource, amount: int) -> None:
        """Add `amount` to the use of `resource`; raises `OverBudget` beyond the limit."""
        self._note((resource, amount))
        self._set(resource, self._spent[resource] + amount)

    def see_examples(self, count: int) -> None:
        """Note that the first `count` calibration examples were handed out.

        Every job takes the first examples of one shuffled order, so the number of distinct examples
        is the largest `count`. Raises `OverBudget` beyond the limit.
        """
        self._note(("calibration_examples", count))
        self._set("calibration_examples", max(count, self._spent["calibration_examples"]))

    @contextmanager
    def noted(self) -> Iterator[list[Charge]]:
        """Yield a list to which every charge made in the `with` block is added, for `repeat`."""
        notes: list[Charge] = []
        self._notes.append(notes)
        try:
            yield notes
        finally:
            self._notes = [other for other in self._notes if other is not notes]

    def repeat(self, charges: Iterable[Charge]) -> None:
        """Make the same charges again, in order; raises `OverBudget` beyond a limit."""
        for resource, amount in charges:
            if resource == "calibration_examples":
                self.see_examples(amount)
            else:
                self.charge(resource, amount)

    def resume(self, spent: Budget) -> None:
        """Continue from what an interrupted run of the same job had used."""
        self._spent = spent.model_dump()

    @property
    def spent(self) -> Budget:
        """What has been used so far."""
        return Budget(**self._spent)

    def _note(self, charge: Charge) -> None:
        for notes in self._notes:
            notes.append(charge)

    def _set(self, resource: Resource, total: int) -> None:
        limit = getattr(self.budget, resource)
        if total > limit:
            raise OverBudget(
                f"asked for {total:,} {resource.replace('_', ' ')}, the budget allows {limit:,}"
            )
        self._spent[resource] = total
