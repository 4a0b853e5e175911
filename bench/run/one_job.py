"""Runs one job from the dense checkpoint to its record, and evaluates it on the test split."""

import datetime
import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench.common.errors import MethodError, Skip
from bench.common.machine.yardstick import yardstick_seconds
from bench.jobs.budget import Meter, OverBudget
from bench.jobs.findings import Findings
from bench.jobs.job import Job
from bench.jobs.metric import MetricName
from bench.jobs.record import Record, Status
from bench.pairs import PAIRS
from bench.pairs.evaluate import Evaluation
from bench.pairs.preparing.dense import Dense
from bench.problem.cache import Cache
from bench.problem.objectives import OBJECTIVES
from bench.problem.passes import MEMORY
from bench.problem.training.loop import Progress
from bench.run import protocols, tuning
from bench.run.case import Case
from bench.run.contract import check_weights
from bench.run.environment import environment
from bench.run.identity import harness_sha256, source_sha256
from bench.run.present import assert_reachable
from bench.run.retrain import Retraining
from bench.run.snapshot import Snapshot
from bench.run.tested import sha256_of, tested
from methods import build

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What is known of a job so far: its status, the reason for it, and the findings up to then."""

    status: Status = "ok"
    reason: str = ""
    findings: Findings = field(default_factory=Findings)


def run_job(
    job: Job,
    dense: Dense,
    study: str,
    label: str,
    memory: int = MEMORY,
    progress: Progress = lambda *_: None,
    snapshots: Path | None = None,
    cache: Cache | None = None,
) -> Record:
    """Run the job and return its record; a method's failure is recorded, not raised.

    `memory` is the number of bytes that one chunk of calibration examples may take. A training
    calls `progress(step, steps)`, and its state is kept in the folder `snapshots` until it ends.
    What is computed of the dense model is shared with other jobs through `cache`.
    """
    meter = Meter(job.budget)
    outcome = Outcome()
    snapshot = None if snapshots is None else _snapshot(job, dense, snapshots)
    try:
        method = build(job.method, job.hyperparameters)
        case = Case(job, dense, method, meter, memory, outcome.findings, cache)
        outcome.findings.yardstick_seconds = yardstick_seconds(dense.device)
        _run(case, progress, snapshot)
    except OverBudget as error:
        outcome.status, outcome.reason = "over-budget", str(error)
    except Skip as error:
        outcome.status, outcome.reason = "skipped", str(error)
    except MethodError as error:
        outcome.status, outcome.reason = "failed", str(error)
    except Exception as error:
        log.debug("%s failed", job, exc_info=True)
        outcome.status = "failed"
        outcome.reason = f"{type(error).__name__}: {error}".strip()
    if snapshot is not None:
        snapshot.remove()
    if cache is not None and outcome.status == "failed":
        cache.clear()  # it may have failed for lack of memory
    return _record(job, dense, study, label, outcome, meter)


def failure(job: Job, dense: Dense, study: str, label: str, reason: str) -> Record:
    """Return the record of a job that couldn't write its own: its process died or was stopped."""
    return _record(job, dense, study, label, Outcome("failed", reason), Meter(job.budget))


def refusal(job: Job, study: str, label: str, reason: str, device: torch.device) -> Record:
    """Return the record of a job whose pair couldn't be prepared."""
    return Record(
        key=job.key,
        study=study,
        label=label,
        status="failed",
        reason=reason,
        **{name: getattr(job, name) for name in Job.model_fields},
        spent=Meter(job.budget).spent,
        metric=_metric(job.pair),
        source_sha256=source_of(job),
        environment=environment(device),
        finished=_now(),
    )


def _metric(pair: str) -> MetricName:
    """Return the metric of a pair that may be unusable; accuracy if it names no objective."""
    objective = OBJECTIVES.get(PAIRS[pair].objective) if pair in PAIRS else None
    return "accuracy" if objective is None else objective.metric


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _record(
    job: Job, dense: Dense, study: str, label: str, outcome: Outcome, meter: Meter
) -> Record:
    baseline = _baseline(job, dense, outcome)
    return Record(
        key=job.key,
        study=study,
        label=label,
        status=outcome.status,
        reason=outcome.reason,
        **{name: getattr(job, name) for name in Job.model_fields},
        spent=meter.spent,
        metric=dense.objective.metric,
        dense_accuracy=baseline and baseline.accuracy,
        dense_score=baseline and baseline.score,
        dense_loss=baseline and baseline.loss,
        test_examples=dense.evaluation.examples,
        dense_flops=dense.flops,
        parameters=dense.parameters,
        checkpoint_sha256=dense.checkpoint_sha256,
        data_sha256=dense.data_sha256,
        pair_sha256=dense.pair_sha256,
        harness_sha256=harness_sha256(job, _run),
        source_sha256=source_of(job),
        environment=environment(dense.device),
        finished=_now(),
        **outcome.findings.model_dump(exclude_unset=True),
    )


def _baseline(job: Job, dense: Dense, outcome: Outcome) -> Evaluation | None:
    """Return the dense model's evaluation under the job's BatchNorm policy.

    If it can't be measured, the job's status becomes `failed`.
    """
    try:
        return dense.recalibrated(job.recalibration, job.seed)
    except Exception as error:
        if outcome.status == "ok":
            outcome.status = "failed"
            outcome.reason = f"the dense model can't be measured likewise: {error}"
        return None


def source_of(job: Job) -> str:
    """Return the hash of all code that the job's result depends on."""
    return source_sha256(job, _run)


def _snapshot(job: Job, dense: Dense, folder: Path) -> Snapshot:
    """Return the file for the state of this job's training, and what the state depends on."""
    identity = {
        "key": job.key,
        "source": source_of(job),
        "pair": dense.pair_sha256,
        "checkpoint": dense.checkpoint_sha256,
        "data": dense.data_sha256,
        "environment": environment(dense.device).model_dump(exclude={"commit"}),
    }
    return Snapshot(folder / f"{job.key}.training", identity)


def carry_out(case: Case, progress: Progress, snapshot: Snapshot | None) -> str:
    """Prune and train by the job's protocol, check, and fill in the case's findings so far.

    Returns the hash of the complete model.
    """
    job, found = case.job, case.findings
    found.prunable = sum(weight.numel() for weight in case.weights.values())
    if not case.method.starts_anew:
        assert_reachable(case.left, case.target)
    retraining = Retraining(case, progress, snapshot) if job.training else None
    if job.budget.tuning_trials and found.chosen is None:
        tuning.tune(case)
    if retraining is None:
        protocols.PRUNED[job.protocol](case)
    else:
        protocols.TRAINED[job.protocol](case, retraining)
    weights = case.weights
    check_weights(weights, weights, case.target)
    case.recalibrate()
    left = {name: int(torch.count_nonzero(weight)) for name, weight in weights.items()}
    found.nonzero = sum(left.values())
    found.layer_sparsity = {name: 1 - left[name] / weights[name].numel() for name in weights}
    found.mask_sha256 = sha256_of({name: weight != 0 for name, weight in weights.items()})
    found.weights_sha256 = sha256_of(case.model.state_dict())
    notes = found.notes = [*case.method.remarks(case.target)]
    notes += [f"layer {name} lost all its weights" for name in left if left[name] == 0]
    if found.chosen is not None:
        notes.append(tuning.remark(case))
    return found.weights_sha256


def _run(case: Case, progress: Progress, snapshot: Snapshot | None) -> None:
    """Carry the job out, and evaluate its model on the test split."""
    weights_sha256 = carry_out(case, progress, snapshot)
    found, notes = case.findings, case.findings.notes
    about = tested(case, weights_sha256)
    result, flops = about.evaluation, about.flops
    found.flops = flops.total
    if flops.uncounted:
        notes.append(f"FLOPs of {', '.join(flops.uncounted)} are not counted")
    if not torch.isfinite(torch.tensor(result.loss)):
        raise MethodError(f"the pruned model's test loss is {result.loss}")
    if result.score is not None and not torch.isfinite(torch.tensor(result.score)):
        raise MethodError(f"the pruned model's {case.dense.objective.metric} is {result.score}")
    found.accuracy, found.top5, found.loss = result.accuracy, result.top5, result.loss
    found.score, found.score_error = result.score, result.score_error
    if result.score is None:
        found.tied_predictions = result.tied
        notes += _ties(result)


TIES_MATTER = 0.1
"""If the rule for equal logits decides more than this many percentage points of accuracy, the
record's notes say so."""


def _ties(result: Evaluation) -> list[str]:
    """Return a note if another rule for equal logits could have given another accuracy."""
    if result.tied_won - result.tied_lost <= TIES_MATTER:
        return []
    return [
        f"{result.tied:,} of {result.examples:,} predictions are ties of equal logits, of which "
        f"the lowest index counts: other rules give {result.tied_lost:.2f} to "
        f"{result.tied_won:.2f} % accuracy"
    ]
