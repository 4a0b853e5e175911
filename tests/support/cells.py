"""Single cells of published pairs, for the tests that compare with published values."""

import pytest
import torch

from bench.common.errors import UserError
from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.run.one_job import run_job
from methods import build, configuration

BUDGET = Budget(calibration_examples=5000, backward_passes=5000)


def dense_of(pair: str) -> Dense:
    """The pair with its published checkpoint; skips with the reason where it can't be had."""
    try:
        return prepare(PAIRS[pair], torch.device("cpu"))
    except UserError as error:
        pytest.skip(str(error))


def accuracy_of(
    dense: Dense,
    method: str,
    sparsity: float,
    allocation: Allocation = "global",
    seed: int = 0,
    **fields: object,
) -> float:
    """Test accuracy in percent of one pruned cell."""
    job = Job(
        pair=dense.pair.name,
        method=method,
        hyperparameters=configuration(build(method, fields)),
        allocation=allocation,
        sparsity=sparsity,
        seed=seed,
        protocol="one-shot",
        budget=BUDGET,
    )
    record = run_job(job, dense, "published", method)
    assert record.status == "ok", record.reason
    assert record.accuracy is not None
    return record.accuracy
