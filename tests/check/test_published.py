"""The published MLPNet on the full MNIST lands on the values that papers and others report."""

from collections.abc import Callable
from functools import partial
from statistics import mean, stdev

import pytest
from support.cells import accuracy_of, dense_of

from bench.pairs.preparing.dense import Dense

Accuracy = Callable[..., float]


@pytest.fixture(scope="module")
def dense() -> Dense:
    return dense_of("mlpnet-mnist")


@pytest.fixture
def accuracy(dense: Dense) -> Accuracy:
    return partial(accuracy_of, dense)


def test_the_dense_model_reaches_its_published_accuracy(dense: Dense) -> None:
    assert dense.evaluation.accuracy == pytest.approx(93.97, abs=0.005)
    assert dense.evaluation.examples == 10_000


# 32.25 at 0.98 is the value that CBS and CHITA print; keeping one weight more gives 33.07.
MAGNITUDE = {0.5: 93.93, 0.6: 93.78, 0.7: 93.62, 0.8: 92.88, 0.9: 90.28, 0.95: 83.64, 0.98: 32.25}


@pytest.mark.parametrize("sparsity", MAGNITUDE)
def test_magnitude_global(accuracy: Accuracy, sparsity: float) -> None:
    assert accuracy("magnitude", sparsity, "global") == pytest.approx(MAGNITUDE[sparsity], abs=0.05)


# Of published codes that take argmax, by layer: at 95 % 75 of 10,000 images tie, at 98 % 314.
LAYERWISE = {0.5: 89.74, 0.7: 75.09, 0.8: 56.02, 0.9: 46.01, 0.95: 29.19, 0.98: 15.61}


@pytest.mark.parametrize("sparsity", LAYERWISE)
def test_magnitude_layerwise(accuracy: Accuracy, sparsity: float) -> None:
    found = accuracy("magnitude", sparsity, "layerwise")
    assert found == pytest.approx(LAYERWISE[sparsity], abs=0.005)


# Single runs with 100 samples that the WoodFisher repository keeps beside its code.
PUBLISHED_RUNS = {"woodfisher": 84.18, "kfac": 81.26}


@pytest.mark.parametrize("method", PUBLISHED_RUNS)
def test_a_published_run_could_be_one_of_our_seeds(accuracy: Accuracy, method: str) -> None:
    ours = [accuracy(method, 0.95, "global", seed, samples=100) for seed in range(8)]
    assert stdev(ours) < 1.2
    assert abs(PUBLISHED_RUNS[method] - mean(ours)) < 2 * stdev(ours)


# Ranges around measurements of the formulas outside this suite; some single seeds lie outside.
RANGES = {
    ("woodfisher", 0.95, 1000): (83.5, 85.0),
    ("kfac", 0.9, 100): (90.5, 92.0),
    ("obd", 0.95, 4096): (77.5, 81.0),
    ("l-obs", 0.95, 5000): (81.3, 82.3),
    ("woodtaylor", 0.5, 1000): (91.5, 93.5),
    ("woodtaylor", 0.95, 1000): (80.5, 84.0),
}


@pytest.mark.parametrize("cell", RANGES, ids=lambda cell: "-".join(map(str, cell)))
def test_criteria_land_where_they_were_measured(accuracy: Accuracy, cell) -> None:
    method, sparsity, samples = cell
    seeds = range(3 if samples == 1000 else 4)
    found = mean(accuracy(method, sparsity, "global", s, samples=samples) for s in seeds)
    low, high = RANGES[cell]
    assert low <= found <= high


def test_a_newton_step_with_small_damping_destroys_the_network(accuracy: Accuracy) -> None:
    assert accuracy("woodtaylor", 0.5, "global", samples=100, damping=1e-5) < 50
    assert accuracy("woodtaylor", 0.5, "global", samples=100, damping=1e-5, step_scale=0) > 93
