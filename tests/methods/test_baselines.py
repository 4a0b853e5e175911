"""The baselines: magnitude on the scale of its layer, by hand, and random masks."""

import pytest
import torch
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.common.errors import UserError
from bench.problem.weights import flatten
from methods import build
from methods.magnitude import Magnitude


class Layers:
    """All of a problem that magnitude looks at."""

    def __init__(self, **weights) -> None:
        self.weights = {name: torch.tensor(values) for name, values in weights.items()}


def scores(scale, **weights):
    return Magnitude(scale=scale).scores(Layers(**weights))


def test_lamp_by_hand() -> None:
    # Squares 4, 1, 9, 0 sorted: 0, 1, 4, 9 with remaining sums 14, 14, 13, 9.
    found = scores("lamp", a=[[2.0, -1.0], [-3.0, 0.0]], b=[5.0])
    assert found["a"].tolist() == [[4 / 13, 1 / 14], [1.0, 0.0]]
    assert found["b"].tolist() == [1.0]


def test_lamp_breaks_ties_by_index() -> None:
    assert scores("lamp", a=[1.0, -1.0, 1.0])["a"].tolist() == [1 / 3, 1 / 2, 1.0]
    # So few are sorted in another way than many.
    many = scores("lamp", a=[1.0, -1.0] * 50)["a"].double()
    torch.testing.assert_close(many, 1 / torch.arange(100, 0, -1).double(), rtol=1e-6, atol=0)


def test_lamp_of_a_layer_of_zeros_is_zero() -> None:
    assert scores("lamp", a=[0.0, 0.0])["a"].tolist() == [0.0, 0.0]


def test_lamp_keeps_a_weight_in_each_layer() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=1 - 3 / 62)
    problem._model[0].weight.mul_(1e-6)
    found = build("magnitude", {"scale": "lamp"}).prune(problem)
    assert [int((weight != 0).sum()) for weight in found.values()] == [1, 1, 1]


def test_deviations_by_hand() -> None:
    # Mean 0, variance 4 in the one; mean 2, variance 1 in the other.
    found = scores("layer-std", a=[2.0, -2.0], b=[1.0, 3.0])
    assert found["a"].tolist() == [1.0, 1.0]
    assert found["b"].tolist() == [1.0, 3.0]


def test_a_layer_of_one_number_has_no_deviation() -> None:
    found = scores("layer-std", zero=[0.0, 0.0], one=[1.0])
    assert found["zero"].tolist() == [0.0, 0.0]
    assert found["one"].item() > 1e30


@pytest.mark.parametrize("scale", ["layer-std", "lamp"])
def test_a_scale_of_the_layer_changes_global_masks_alone(scale) -> None:
    for allocation in ("layerwise", "global"):
        problem = tiny_problem(tiny_conv(), allocation=allocation)
        plain, scaled = (
            flatten(build("magnitude", {"scale": of}).prune(problem)) for of in ("none", scale)
        )
        assert torch.equal(plain, scaled) == (allocation == "layerwise")


@pytest.mark.parametrize("scale", ["layer-std", "lamp"])
def test_a_scale_of_the_layer_makes_up_for_its_units(scale) -> None:
    masks = []
    for unit in (1.0, 1024.0):
        problem = tiny_problem(tiny_mlp())
        problem._model[2].weight.mul_(unit)
        masks.append(flatten(build("magnitude", {"scale": scale}).prune(problem)) != 0)
    assert torch.equal(*masks)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(UserError, match="scale"):
        build("magnitude", {"scale": "layer"})


def test_random_is_fair_to_each_weight() -> None:
    """Each weight survives half of 400 seeds, within 5 standard deviations of 10."""
    kept = sum(
        (flatten(build("random", {}).prune(tiny_problem(tiny_mlp(), seed=seed))) != 0).int()
        for seed in range(400)
    )
    assert (kept - 200).abs().max() < 50
    assert kept.float().std() > 5
