"""The training of one job: metered, timed, and saved to disk while it is unfinished."""

import time
from typing import Any

import torch

from bench.common.errors import MethodError
from bench.jobs.budget import Budget
from bench.jobs.findings import Findings
from bench.pairs.flops import training_flops
from bench.problem.calibration import seeded
from bench.problem.training.loop import Progress, Training
from bench.run.case import Case
from bench.run.snapshot import Snapshot


class Retraining:
    """One training by the job's recipe, which saves the findings and the meter with its state.

    `saved` is the state of a training that was interrupted; None if there is none.
    """

    def __init__(self, case: Case, progress: Progress, snapshot: Snapshot | None) -> None:
        recipe = case.job.training
        if recipe is None:
            raise MethodError(f"the protocol {case.job.protocol} needs a training recipe")
        self._case, self._snapshot = case, snapshot
        self._recipe, self._progress = recipe, progress
        self._began = 0.0
        self.saved: dict[str, Any] | None = None
        found = snapshot.load() if snapshot is not None else None
        if found is not None:
            self.saved = found["training"]
            case.restore(Findings.model_validate(found["findings"]))
            case.meter.resume(Budget(**found["spent"]))

    def begin(self) -> Training:
        """Return the training of the case's model in its present state, and start its timer."""
        case = self._case
        before = (case.findings.train_seconds or 0.0) + (case.findings.prune_seconds or 0.0)
        self._began = time.perf_counter() - before
        return Training(
            case.model,
            case.dense.prunable,
            case.dense.train,
            self._recipe,
            seeded(case.job.seed, "training"),
            case.meter,
            self._progress,
            self,
            case.dense.frozen,
            case.dense.objective,
        )

    def finish(self, training: Training) -> None:
        """Write what the training cost and found into the case's findings."""
        case = self._case
        examples = self._recipe.epochs * self._recipe.examples(len(case.dense.train))
        one = case.dense.train.batch(torch.arange(1))
        dense = case.dense
        flops = training_flops(dense.model, *one, dense.frozen, dense.objective)
        found = case.findings
        found.emergent_sparsity = training.emergent_sparsity
        found.train_seconds = self._train_seconds()
        found.train_examples = examples
        found.train_flops = flops * examples
        found.train_losses = training.losses

    def due(self) -> bool:
        """Return whether it is time to save again."""
        return self._snapshot is not None and self._snapshot.due()

    def save(self, state: dict[str, Any]) -> None:
        """Save the training's state with the case's findings and the use of its meter."""
        assert self._snapshot is not None
        self._case.findings.train_seconds = self._train_seconds()
        findings = self._case.findings.model_dump(exclude_unset=True)
        spent = self._case.meter.spent.model_dump()
        self._snapshot.save({"training": state, "findings": findings, "spent": spent})

    def _train_seconds(self) -> float:
        """Return the seconds since the beginning, without interruptions and prunings."""
        return time.perf_counter() - self._began - (self._case.findings.prune_seconds or 0.0)
