"""Optimal Brain Damage: scores, negative curvature and damping, by hand and by brute force."""

import pytest
import torch
from support.tiny import slow_gradients, tiny_conv, tiny_mlp, tiny_problem
from torch import nn

from bench.common.errors import UserError
from bench.jobs.budget import Budget, OverBudget
from bench.problem.weights import flatten
from methods import build

CURVATURES = ["empirical-fisher", "true-fisher", "ggn", "hessian", "hutchinson"]


def obd(**fields):
    return build("obd", {"samples": 20, **fields})


def with_diagonal(diagonal, **fields):
    """OBD whose diagonal is this one, whatever the data."""
    method = obd(**fields)
    object.__setattr__(method, "diagonal", lambda problem: torch.tensor(diagonal).double())
    return method


def three_weights():
    """A problem of one layer with weights 1, -2 and 3."""
    layer = nn.Linear(1, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0], [-2.0], [3.0]]))
    return tiny_problem(nn.Sequential(layer))


@pytest.mark.parametrize(
    ("negative", "expected"),
    [
        # Diagonal 4, -2, 1 at weights 1, -2, 3, with damping 1: w² (F + 1) / 2.
        ("absolute", [5 / 2, 4 * 3 / 2, 9 * 2 / 2]),
        ("clip", [5 / 2, 4 * 1 / 2, 9 * 2 / 2]),
        ("keep", [5 / 2, 4 * -1 / 2, 9 * 2 / 2]),
    ],
)
def test_negative_curvature_by_hand(negative, expected) -> None:
    method = with_diagonal([4, -2, 1], damping=1.0, negative=negative)
    assert flatten(method.scores(three_weights())).tolist() == expected


def test_kept_negative_curvature_goes_first() -> None:
    method = with_diagonal([0.0, -1.0, 1.0], negative="keep")
    problem = three_weights()
    kept = problem.select(method.scores(problem), 1 / 3)
    assert flatten(kept).tolist() == [True, False, True]


@pytest.mark.parametrize("curvature", ["empirical-fisher", "true-fisher", "ggn"])
def test_these_are_never_negative(curvature) -> None:
    assert obd(curvature=curvature).diagonal(tiny_problem(tiny_mlp())).min() >= 0


def test_hessian_and_hutchinson_have_negative_entries() -> None:
    for curvature in ("hessian", "hutchinson"):
        assert obd(curvature=curvature).diagonal(tiny_problem(tiny_mlp())).min() < 0


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_the_empirical_fisher_by_single_backward_passes_without_a_floor(net) -> None:
    problem = tiny_problem(net())
    expected = flatten(problem.weights) ** 2 * slow_gradients(problem, 20).square().mean(0) / 2
    found = flatten(obd().scores(problem))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


def test_the_score_is_the_quadratic_model_after_removal_of_one_weight() -> None:
    problem = tiny_problem(tiny_mlp())
    weights = flatten(problem.weights)

    def quadratic(step):
        return step @ problem.hessian_vector_product(step, 20) / 2

    expected = torch.stack([quadratic(-weights * unit) for unit in torch.eye(len(weights))])
    found = obd(curvature="hessian", negative="keep").scores(problem)
    torch.testing.assert_close(flatten(found), expected)


def test_the_score_predicts_the_loss_that_small_weights_cost() -> None:
    """The change of the loss beside its first order, at 1e-3 of the removal: error O(1e-3)."""
    problem = tiny_problem(tiny_mlp())
    inputs, labels = problem.examples(20)
    model = problem._model

    def loss() -> torch.Tensor:
        return nn.functional.cross_entropy(model(inputs), labels)

    layer = model.get_parameter("0.weight")
    before, original, changes = loss(), layer.clone(), []
    for q in range(layer.numel()):
        both = []
        for sign in (1, -1):
            layer.view(-1)[q] *= 1 - sign * 1e-3
            both.append(loss() - before)
            layer.copy_(original)
        changes.append(sum(both) / 2 / 1e-6)
    scores = obd(curvature="hessian", negative="keep").scores(problem)["0.weight"]
    torch.testing.assert_close(scores.flatten(), torch.stack(changes), rtol=1e-2, atol=1e-6)


def test_a_large_damping_makes_obd_choose_the_mask_of_magnitude() -> None:
    problem = tiny_problem(tiny_conv())
    by_magnitude = flatten(build("magnitude", {}).prune(problem))
    assert torch.equal(flatten(obd(damping=1e9).prune(problem)), by_magnitude)
    assert not torch.equal(flatten(obd().prune(problem)), by_magnitude)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Budget(calibration_examples=20, backward_passes=20)),
        ({"curvature": "true-fisher"}, Budget(calibration_examples=20, backward_passes=20)),
        ({"curvature": "ggn"}, Budget(calibration_examples=20, backward_passes=60)),
        (
            {"curvature": "hessian"},
            Budget(calibration_examples=20, hessian_vector_products=62 * 20),
        ),
        (
            {"curvature": "hutchinson", "probes": 4},
            Budget(calibration_examples=20, hessian_vector_products=80),
        ),
    ],
)
def test_pruning_spends_what_the_class_says(fields, expected) -> None:
    problem = tiny_problem(tiny_mlp(), budget=expected)
    obd(**fields).prune(problem)
    assert problem._meter.spent == expected


@pytest.mark.parametrize("curvature", CURVATURES)
def test_each_keeps_the_contract(curvature) -> None:
    method = obd(curvature=curvature)
    one, same, other = (tiny_problem(tiny_mlp(), seed=seed) for seed in (1, 1, 2))
    found = flatten(method.prune(one))
    assert int((found == 0).sum()) == 31
    assert torch.equal(found, flatten(method.prune(same)))
    assert not torch.equal(flatten(method.scores(one)), flatten(method.scores(other)))
    with pytest.raises(OverBudget):
        method.prune(tiny_problem(tiny_mlp(), budget=Budget(calibration_examples=20)))


@pytest.mark.parametrize(
    "fields", [{"curvature": "fisher"}, {"negative": "drop"}, {"damping": -1.0}, {"probes": 0}]
)
def test_wrong_fields_are_refused(fields) -> None:
    with pytest.raises(UserError, match=next(iter(fields))):
        obd(**fields)
