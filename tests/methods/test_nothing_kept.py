"""Targets at which next to nothing is left are ordinary ones for the combinatorial methods."""

import pytest
from support.grids import PAIR

from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.run.one_job import run_job
from methods import build, configuration

WEIGHTS = 32_360
BUDGET = Budget(calibration_examples=20, backward_passes=60, recomputations=3)


@pytest.mark.parametrize("kept", [0, 1, 3])
@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
@pytest.mark.parametrize(
    ("method", "fields"),
    [("chita", {"samples": 20}), ("chita++", {"samples": 20, "stages": 3})],
)
def test_as_many_are_kept_as_asked_for(
    pairs, method: str, fields: dict[str, int], allocation: Allocation, kept: int
) -> None:
    job = Job(
        pair=PAIR,
        method=method,
        hyperparameters=configuration(build(method, fields)),
        allocation=allocation,
        sparsity=1 - kept / WEIGHTS if kept else 0.99999,
        seed=0,
        protocol="one-shot",
        budget=BUDGET,
    )
    record = run_job(job, pairs[PAIR], "study", method)
    assert (record.status, record.nonzero) == ("ok", kept), record.reason
    if not kept:
        # Equal logits: the first class, which a tenth of the test images are of.
        assert record.accuracy == 10.0
        assert record.flops == 0
