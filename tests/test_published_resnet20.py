"""The published ResNet-20 on CIFAR-10 lands on the values that were measured of it."""

import pytest
import torch

from bench.budget import Budget
from bench.dense import Dense, prepare
from bench.errors import UserError
from bench.job import Job
from bench.pairs import PAIRS
from bench.run import run_job
from methods import build, configuration


@pytest.fixture(scope="module")
def dense() -> Dense:
    """The pair with its published checkpoint; skips with the reason where it can't be had."""
    try:
        return prepare(PAIRS["resnet20-cifar10"], torch.device("cpu"))
    except UserError as error:
        pytest.skip(str(error))


def accuracy(dense: Dense, method: str, sparsity: float, **fields: object) -> float:
    job = Job(
        pair="resnet20-cifar10",
        method=method,
        hyperparameters=configuration(build(method, fields)),
        allocation="global",
        sparsity=sparsity,
        seed=0,
        protocol="one-shot",
        budget=Budget(calibration_examples=1000, backward_passes=1000),
    )
    record = run_job(job, dense, "published", method)
    assert record.status == "ok", record.reason
    assert record.accuracy is not None
    return record.accuracy


def test_the_dense_model_and_its_denominators(dense: Dense) -> None:
    assert dense.evaluation.accuracy == pytest.approx(91.43, abs=0.021)
    assert dense.parameters == 272_474
    assert len(dense.prunable) == 18
    assert sum(dense.model.get_parameter(name).numel() for name in dense.prunable) == 267_264


@pytest.mark.parametrize(("sparsity", "expected"), [(0.5, 88.50), (0.7, 77.91)])
def test_magnitude(dense: Dense, sparsity: float, expected: float) -> None:
    assert accuracy(dense, "magnitude", sparsity) == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sparsity", "expected"), [(0.3, 91.4), (0.4, 91.1), (0.5, 90.1), (0.6, 87.6)]
)
def test_woodfisher(dense: Dense, sparsity: float, expected: float) -> None:
    assert accuracy(dense, "woodfisher", sparsity, samples=1000) == pytest.approx(expected, abs=1)
