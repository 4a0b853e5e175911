"""One job from the dense checkpoint to its record; owns the clock and the test split."""

import copy
import datetime
import logging
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from bench.batchnorm import recalibrate
from bench.budget import Meter, OverBudget
from bench.contract import check_weights, untouched
from bench.dense import Dense
from bench.environment import environment, source_sha256
from bench.errors import MethodError, Skip
from bench.evaluate import evaluate, forward_flops
from bench.job import Job
from bench.measure import measured
from bench.problem import MEMORY, Problem, Target
from bench.record import Record, Status
from bench.weights import Weights
from methods import METHODS, build

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What is known of a job so far: the status, and the figures it came to."""

    status: Status = "ok"
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def run_job(job: Job, dense: Dense, study: str, label: str, memory: int = MEMORY) -> Record:
    """Run the job and give its record; a method's failure is in the record, not an exception.

    `memory` is the number of bytes that one chunk of calibration examples may take.
    """
    meter = Meter(job.budget)
    outcome = Outcome()
    baseline = dense.recalibrated(job.recalibration, job.seed)
    try:
        _run(job, dense, meter, memory, outcome.figures)
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
    return Record(
        key=job.key,
        study=study,
        label=label,
        status=outcome.status,
        reason=outcome.reason,
        **{name: getattr(job, name) for name in Job.model_fields},
        spent=meter.spent,
        dense_accuracy=baseline.accuracy,
        dense_loss=baseline.loss,
        test_examples=baseline.examples,
        dense_flops=dense.flops,
        parameters=dense.parameters,
        checkpoint_sha256=dense.checkpoint_sha256,
        source_sha256=source_sha256(METHODS[job.method]),
        environment=environment(dense.device),
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **outcome.figures,
    )


def _run(job: Job, dense: Dense, meter: Meter, memory: int, figures: dict[str, Any]) -> None:
    """Prune on a copy of the dense model, check, evaluate; fills `figures` as they come."""
    method = build(job.method, job.hyperparameters)
    model = copy.deepcopy(dense.model)
    target = Target(job.sparsity, job.allocation)
    problem = Problem(model, dense.prunable, dense.train, target, job.seed, meter, memory)
    figures["prunable"] = sum(weight.numel() for weight in problem.weights.values())
    with untouched(model, dense.model):
        with measured(dense.device) as cost:
            found = method.prune(problem)
        figures |= {"prune_seconds": cost.seconds, "peak_bytes": cost.peak_bytes}
    weights = check_weights(found, problem.weights, target)
    with torch.no_grad():
        for name, weight in weights.items():
            model.get_parameter(name).copy_(weight)
    if job.recalibration:
        recalibrate(model, problem.examples(job.recalibration)[0])
    result = evaluate(model, dense.test)
    figures |= _sparsity(weights)
    figures["notes"] = method.remarks(target) + figures["notes"]
    figures["flops"] = forward_flops(model, dense.test.batch(torch.arange(1))[0])
    if not torch.isfinite(torch.tensor(result.loss)):
        raise MethodError(f"the pruned model's test loss is {result.loss}")
    figures |= {name: value for name, value in asdict(result).items() if name != "examples"}


def _sparsity(weights: Weights) -> dict[str, Any]:
    """Nonzero weights counted in what is evaluated, and a note where a layer lost all."""
    left = {name: int(torch.count_nonzero(weight)) for name, weight in weights.items()}
    return {
        "nonzero": sum(left.values()),
        "layer_sparsity": {
            name: 1 - left[name] / weight.numel() for name, weight in weights.items()
        },
        "notes": [f"layer {name} lost all its weights" for name in left if left[name] == 0],
    }
