"""The state of one job while it runs: its own copy of the dense model, its meter, its findings."""

import copy
from dataclasses import dataclass, field

import torch

from bench.common.machine.measure import measured
from bench.jobs.budget import Meter
from bench.jobs.findings import Findings
from bench.jobs.job import Job
from bench.pairs.batchnorm import recalibrate
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.precision import in_single, rounded
from bench.problem.cache import GradientCache, Reuse
from bench.problem.calibration import Calibration, Examples
from bench.problem.passes import Settings
from bench.problem.problem import Problem, Target
from bench.problem.stopwatch import Stopwatch
from bench.problem.weights import Masks, Weights
from bench.run.contract import check_weights, untouched
from bench.run.control import calibration_examples, controlled
from bench.run.present import present
from methods.method import Method


@dataclass
class Case:
    """One job while it runs; `findings` collects what its record will hold.

    `left` are masks of the weights that aren't zero in the dense model, None if no weight is zero.
    Gradients of the dense model are looked up in `cache` and stored there, if there is one.
    `memory` is the number of bytes that one chunk of calibration examples may take.
    """

    job: Job
    dense: Dense
    method: Method
    meter: Meter
    memory: int
    findings: Findings = field(default_factory=Findings)
    cache: GradientCache | None = None

    def __post_init__(self) -> None:
        self.model = copy.deepcopy(self.dense.model)
        self.target = Target(self.job.sparsity, self.job.allocation)
        self._stopwatch = Stopwatch(self.dense.device)
        self._reuse = None if self.cache is None else Reuse(self.cache, self.dense)
        self._dense_still = True
        self.left = present(self.weights)
        self._examples: Examples = self.dense.calibration
        if self.job.control:
            self._examples = calibration_examples(
                self.job.control, self.dense.calibration, self.job.seed, self.method.uses_labels
            )

    @property
    def weights(self) -> Weights:
        """The model's present prunable weights by parameter name."""
        return {name: self.model.get_parameter(name).detach() for name in self.dense.prunable}

    def install(self, weights: Weights) -> None:
        """Copy these weights into the model, in its own precision.

        From then on the model isn't the dense one, and its gradients are no longer shared.
        """
        self._dense_still = False
        with torch.no_grad():
            for name, weight in weights.items():
                self.model.get_parameter(name).copy_(weight)

    def problem(self, sparsity: float, support: Masks | None = None) -> Problem:
        """Return the model's present weights as a problem, to be pruned to this sparsity.

        `support` are the weights not yet removed, by default those that aren't zero in the dense
        model. A model in half precision is copied to single precision, if the pair runs in it.
        """
        support = self.left if support is None else support
        reuse = self._reuse if self._dense_still and support is None else None
        return Problem(
            in_single(self.model) if self.dense.single else self.model,
            self.dense.prunable,
            Calibration(self._examples, self.job.seed, self.meter),
            self.step_to(sparsity),
            Settings(self.memory, stopwatch=self._stopwatch, reuse=reuse),
            support,
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
        support = self.left if support is None else support
        problem = self.problem(sparsity, support)
        estimated = self.meter.spent.calibration_examples > 0
        with untouched(problem.model, copy.deepcopy(problem.model)):
            with measured(self.dense.device) as cost:
                found = self.method.prune(problem)
            self._add_cost(cost.seconds, cost.peak_bytes)
        if estimated and problem.used_data:
            self.meter.charge("recomputations", 1)
        found = check_weights(found, problem.weights, problem.target, support)
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

    def _add_cost(self, seconds: float, peak_bytes: int | None) -> None:
        """Add one pruning to the job's seconds, and raise its peak memory to this pruning's.

        Both are what the method takes when it runs alone: what a shared gradient spared is added
        back.
        """
        found = self.findings
        if self._reuse is not None and self._reuse.seconds:
            found.reused_seconds = self._reuse.seconds
            seconds += self._reuse.seconds
            peak_bytes = None if peak_bytes is None else peak_bytes + self._reuse.size
        found.prune_seconds = (found.prune_seconds or 0.0) + seconds
        found.phase_seconds = dict(self._stopwatch.seconds)
        if peak_bytes is not None:
            found.peak_bytes = max(peak_bytes, found.peak_bytes or 0)
