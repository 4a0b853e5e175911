"""L-OBS against the least squares that it solves, and its limits."""

import pytest
import torch
from support.oracles import joint_obs, sum_of_single_moves
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.jobs.budget import Budget
from bench.problem.problem import Target
from bench.problem.weights import flatten, unflatten
from methods import build

SAMPLES, DAMPING = 30, 1e-3


def by_layer(problem):
    """What each layer multiplies, [examples * positions, in]; weights of the sum are 1/examples."""
    chunks = list(problem.inputs(SAMPLES))
    return {
        name: torch.cat([chunk[name] for chunk in chunks]).transpose(1, 2).flatten(0, 1)
        for name in chunks[0]
    }


def ridge_rows(rows):
    """Rows X with ‖X δ‖² the layer's damped error: one output unit's mean over examples, plus λ."""
    identity = torch.eye(rows.shape[1], dtype=rows.dtype)
    return torch.cat([rows / SAMPLES**0.5, DAMPING**0.5 * identity])


def dense_hessian(problem):
    """The Hessian of the layers' output errors [d, d]: a copy of H for each output unit."""
    blocks = []
    for rows, weight in zip(by_layer(problem).values(), problem.weights.values(), strict=True):
        ridge = ridge_rows(rows)
        blocks += [ridge.T @ ridge] * len(weight)
    return torch.block_diag(*blocks)


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_removing_one_weight_is_the_exact_constrained_least_squares(net) -> None:
    """Every weight in turn: refit its unit without it; the cheapest goes, and refitted stays."""
    size = flatten(tiny_problem(net()).weights).numel()
    problem = tiny_problem(net(), sparsity=1 / size)
    method = build("l-obs", {"samples": SAMPLES, "damping": DAMPING})
    costs, refits = {}, {}
    for name, rows in by_layer(problem).items():
        X = ridge_rows(rows)
        for unit, values in enumerate(problem.weights[name].flatten(1)):
            for q in range(len(values)):
                rest = [j for j in range(len(values)) if j != q]
                move = -values.clone()
                move[rest] = torch.linalg.lstsq(X[:, rest], values[q] * X[:, q]).solution
                costs[name, unit, q] = float((X @ move).square().sum() / 2)
                refits[name, unit, q] = values + move
    scores = method.scores(problem)
    brute = torch.tensor(list(costs.values()), dtype=torch.float64)
    torch.testing.assert_close(flatten(scores), brute, rtol=1e-8, atol=0)
    name, unit, q = min(costs, key=costs.get)
    expected = {n: weight.flatten(1).clone() for n, weight in problem.weights.items()}
    expected[name][unit] = refits[name, unit, q]
    expected[name][unit, q] = 0
    found = method.prune(problem)
    torch.testing.assert_close(flatten(found), flatten(expected), rtol=1e-8, atol=1e-10)
    assert int((flatten(found) == 0).sum()) == 1


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
@pytest.mark.parametrize(("update", "oracle"), [("sum", sum_of_single_moves), ("joint", joint_obs)])
def test_many_weights_equal_the_dense_hessian(net, allocation, update, oracle) -> None:
    problem = tiny_problem(net(), allocation=allocation)
    method = build("l-obs", {"samples": SAMPLES, "damping": DAMPING, "update": update})
    weights, inverse = flatten(problem.weights), torch.linalg.inv(dense_hessian(problem))
    scores = weights**2 / (2 * inverse.diagonal())
    keep = flatten(problem.select(unflatten(scores, like=problem.weights)))
    expected = (weights + oracle(weights, inverse, keep)) * keep
    torch.testing.assert_close(flatten(method.prune(problem)), expected, rtol=1e-6, atol=1e-8)


def test_the_joint_update_refits_the_layer_better_than_the_sum() -> None:
    problem = tiny_problem(tiny_conv())
    H = dense_hessian(problem)
    errors = []
    for update in ("sum", "joint"):
        method = build("l-obs", {"samples": SAMPLES, "damping": DAMPING, "update": update})
        step = flatten(method.prune(problem)) - flatten(problem.weights)
        errors.append(float(step @ H @ step))
    assert errors[1] < 0.9 * errors[0]


def test_positions_of_a_convolution_are_summed() -> None:
    """Twice the pixels, twice the error: the same image beside itself doubles every score."""
    net = torch.nn.Conv2d(2, 3, 1, bias=False)
    single = tiny_problem(torch.nn.Sequential(net))
    double = tiny_problem(torch.nn.Sequential(net))
    inputs = single._calibration._examples.inputs
    double._calibration._examples.inputs = torch.cat([inputs, inputs], dim=3)
    method = build("l-obs", {"samples": SAMPLES, "damping": 1e-14})
    once, twice = (flatten(method.scores(problem)) for problem in (single, double))
    torch.testing.assert_close(twice, 2 * once, rtol=1e-10, atol=0)


def test_a_large_damping_chooses_the_mask_of_magnitude() -> None:
    problem = tiny_problem(tiny_conv())
    kept = [
        flatten(build(*args).prune(problem)) != 0
        for args in (
            ("magnitude", {}),
            ("l-obs", {"samples": 20, "damping": 1e12}),
            ("l-obs", {"samples": 20}),
        )
    ]
    assert torch.equal(kept[1], kept[0])
    assert not torch.equal(kept[2], kept[0])


def test_no_backward_pass_and_no_label() -> None:
    allowed = Budget(calibration_examples=20)
    method = build("l-obs", {"samples": 20})
    one, other = (tiny_problem(tiny_conv(), budget=allowed) for _ in range(2))
    other._calibration._examples.labels = 2 - other._calibration._examples.labels
    assert torch.equal(flatten(method.prune(one)), flatten(method.prune(other)))
    assert one._meter.spent == allowed


def test_a_global_ranking_is_said_to_be_a_variation() -> None:
    method = build("l-obs", {})
    assert "is a variation of L-OBS" in method.remarks(Target(0.5, "global"))[0]
    assert method.remarks(Target(0.5, "layerwise")) == []
