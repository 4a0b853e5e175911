"""The published ResNet-20 on CIFAR-10 lands on the values that were measured of it."""

import pytest
from support.cells import accuracy_of, dense_of

from bench.pairs.preparing.dense import Dense


@pytest.fixture(scope="module")
def dense() -> Dense:
    return dense_of("resnet20-cifar10")


def test_the_dense_model_and_its_denominators(dense: Dense) -> None:
    assert dense.evaluation.accuracy == pytest.approx(91.43, abs=0.021)
    assert dense.parameters == 272_474
    assert len(dense.prunable) == 18
    assert sum(dense.model.get_parameter(name).numel() for name in dense.prunable) == 267_264


@pytest.mark.parametrize(("sparsity", "expected"), [(0.5, 88.50), (0.7, 77.91)])
def test_magnitude(dense: Dense, sparsity: float, expected: float) -> None:
    assert accuracy_of(dense, "magnitude", sparsity) == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sparsity", "expected"), [(0.3, 91.4), (0.4, 91.1), (0.5, 90.1), (0.6, 87.6)]
)
def test_woodfisher(dense: Dense, sparsity: float, expected: float) -> None:
    assert accuracy_of(dense, "woodfisher", sparsity, samples=1000) == pytest.approx(
        expected, abs=1
    )
