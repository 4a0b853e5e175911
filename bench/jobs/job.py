"""The identity of one job of a study: what is asked for, and the key that names its record."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget
from bench.jobs.protocol import PROTOCOLS, ProtocolName
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual

Control = Literal["shuffled mask", "magnitude in its layers", "shuffled labels"]
"""The sanity control of a method: which ingredient is taken away, see `bench/run/control.py`."""


class Job(BaseModel):
    """One job: pair × method × allocation × sparsity × seed × protocol × budget.

    `hyperparameters` holds every field of the method, defaults included, so that a changed default
    makes another job. `sparsity` is the fraction of prunable weights removed, in [0, 1).
    `recalibration` is the number of calibration examples on which BatchNorm statistics are
    re-estimated after pruning, for the dense model too; 0 keeps them. `training` is the recipe of a
    protocol that trains, `schedule` that of one that prunes gradually. `control` makes the job a
    sanity check of its method.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pair: str
    method: str
    hyperparameters: dict[str, Any]
    allocation: Allocation
    sparsity: float = Field(ge=0, lt=1, allow_inf_nan=False)
    seed: int = Field(ge=0)
    protocol: ProtocolName
    recalibration: int = Field(0, ge=0)
    training: Recipe | None = None
    schedule: Gradual | None = None
    control: Control | None = None
    budget: Budget

    @property
    def key(self) -> str:
        """The first sixteen hex digits of the SHA-256 of the canonical JSON of all fields."""
        # Fields that are None are left out, so that a new optional field doesn't change existing
        # keys.
        identity = self.model_dump(exclude_none=True)
        return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        protocol = f" {self.protocol}" if PROTOCOLS[self.protocol].trains else ""
        control = "" if self.control is None else f" [{self.control}]"
        return (
            f"{self.pair} {self.method}{control}{protocol} {self.allocation} {self.sparsity:g} "
            f"seed {self.seed}"
        )


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces, so that equal values give equal texts.

    Raises `ValueError` for NaN and infinities.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
