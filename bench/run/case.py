"""The state of one job while it runs: its own copy of the dense model, its meter, its findings."""

import copy
from dataclasses import dataclass, field

import torch

from bench.jobs.budget import Meter
from bench.jobs.findings import Findings
from bench.jobs.job import Job
from bench.pairs.batchnorm import recalibrate
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.precision import in_single, rounded
from bench.problem.cache import Cache, Reuse
from bench.problem.calibration import Calibration, Examples
from bench.problem.passes import Settings
from bench.problem.problem import Problem, Target
from bench.problem.stopwatch import Stopwatch
from bench.problem.weights import Masks, Weights
from bench.run.contract import check_weights, untouched
from bench.run.control import calibration_examples, controlled
from bench.run.present import present
from bench.run.sharing.estimates import Pruned, prune
from methods.method import Method


@dataclass
class Case:
    """One job while it runs; `findings` collects what its record will hold.

    `left` are masks of the weights that aren't zero in the dense model, None if no weight is zero.
    What is computed of the dense model is looked up in `cache` and stored there, if there is one.
    `memory` is the number of bytes that one chunk of calibration examples may take.
    """

    job: Job
    dense: Dense
    method: Method
    meter: Meter
    memory: int
    findings: Findings = field(default_factory=Findings)
    cache: Cache | None = None

    def __post_init__(self) -> None:
        self.model = copy.deepcopy(self.dense.model)
        self.target = Target(self.job.sparsity, self.job.allocation)
        self._stopwatch = Stopwatch(self.dense.device)
        self.left = present(self.weights)
        own = self.dense.calibration
        self._examples: Examples = own
        if self.job.control:
            self._examples = calibration_examples(
                self.job.control, own, self.job.seed, self.method.uses_labels
            )
        self._own_data = self._examples is own

    @property
    def weights(self) -> Weights:
        """The model's present prunable weights by parameter name."""
        return {name: self.model.get_parameter(name).detach() for name in self.dense.prunable}

    def install(self, weights: Weights) -> None:
        """Copy these weights into the model, in its own precision."""
        with torch.no_grad():
            for name, weight in weights.items():
                self.model.get_parameter(name).copy_(weight)

    def problem(self, sparsity: float, support: Masks | None = None) -> Problem:
        """Return the model's present weights as a problem, to be pruned to this sparsity.

        `support` are the weights not yet removed, by default those that aren't zero in the dense
        model. A model in half precision is copied to single precision, if the pair runs in it.
        """
        if support is None or self._nothing_lost(support):
            support = self.left
        objective, reuse = self.dense.objective, None
        if self.cache is not None and self._own_data and support is self.left and self._dense_still:
            reuse = Reuse(self.cache, self.dense)
        return Problem(
            in_single(self.model) if self.dense.single else self.model,
            self.dense.prunable,
            Calibration(self._examples, self.job.seed, self.meter),
            self.step_to(sparsity),
            Settings(self.memory, stopwatch=self._stopwatch, reuse=reuse, objective=objective),
            support,
        )

    @property
    def _dense_still(self) -> bool:
        """Whether every number in the model's state is that of the dense model."""
        dense, now = self.dense.model.state_dict(), self.model.state_dict()
        return all(torch.equal(now[name], value) for name, value in dense.items())

    def _nothing_lost(self, support: Masks) -> bool:
        """Whether no weights are outside this support but those that the dense model lacks."""
        left = self.left
        return all(
            bool(mask.all()) if left is None else torch.equal(mask, left[name])
            for name, mask in support.items()
        )

    def step_to(self, sparsity: float) -> Target:
        """Return the job's target, or this lower sparsity as a step on the way to it."""
        end = self.target.sparsity
        return self.target if sparsity == end else Target(sparsity, self.job.allocation, end)

    def prune(self, sparsity: float, support: Masks | None = None) -> None:
        """Let the method prune to this sparsity: timed, metered, and its result checked.

        An estimate of curvature that isn't the job's first is charged as a recomputation. Under a
        control the method prunes as usual, then its result is replaced by the control's.
        """
        problem = self.problem(sparsity, support)
        support, target = problem.support, self.step_to(sparsity)  # before the method has them
        estimated = self.meter.spent.calibration_examples > 0
        with untouched(problem.model, copy.deepcopy(problem.model)):
            pruned = prune(self.method, problem, self._stopwatch)
        self._add_cost(pruned, problem.reuse)
        if estimated and problem.used_data:
            self.meter.charge("recomputations", 1)
        found = check_weights(pruned.weights, problem.weights, target, support)
        if self.job.control:
            found = controlled(self.job.control, found, problem.weights, self.job.seed)
        self.install(rounded(found, like=self.weights))

    def restore(self, findings: Findings) -> None:
        """Continue from the findings of an interrupted run."""
        for name in findings.model_fields_set:
            setattr(self.findings, name, getattr(findings, name))
        for phase, seconds in findings.phase_seconds.items():
            self._stopwatch.add(phase, seconds)

    def recalibrate(self) -> None:
        """Renew BatchNorm statistics on as many calibration examples as the job says."""
        if self.job.recalibration:
            examples, _ = self.problem(self.target.sparsity).examples(self.job.recalibration)
            recalibrate(self.model, examples)

    def _add_cost(self, pruned: Pruned, reuse: Reuse | None) -> None:
        """Add one pruning to the job's seconds, and raise its peak memory to this pruning's.

        Both are what the method takes when it runs alone; of the seconds it is said how many were
        spared.
        """
        found = self.findings
        if reuse is not None and reuse.seconds:
            found.reused_seconds = (found.reused_seconds or 0.0) + reuse.seconds
        found.prune_seconds = (found.prune_seconds or 0.0) + pruned.seconds
        found.phase_seconds = dict(self._stopwatch.seconds)
        if pruned.peak_bytes is not None:
            found.peak_bytes = max(pruned.peak_bytes, found.peak_bytes or 0)
