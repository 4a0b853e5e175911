"""LeNet-300-100 with the weights of the L-OBS authors: what is prunable, and its dense result."""

import pytest
from support.cells import dense_of

from bench.pairs import PAIRS


def test_all_weights_are_prunable_and_no_bias() -> None:
    pair = PAIRS["lenet300-mnist"]
    model = pair.model()
    sizes = {name: model.get_parameter(name).numel() for name in pair.prunable_parameters(model)}
    assert sizes == {"fc1.weight": 235_200, "fc2.weight": 30_000, "fc3.weight": 1_000}
    assert sum(one.numel() for one in model.parameters()) == 266_200 + 410


def test_the_dense_model_has_its_accuracy() -> None:
    dense = dense_of("lenet300-mnist")
    assert dense.evaluation.examples == 10_000
    assert dense.evaluation.accuracy == pytest.approx(98.39, abs=0.005)
