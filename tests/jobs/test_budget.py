"""The meter counts what is handed out and stops a job before it passes a limit."""

import pytest
import torch
from support.tiny import PLENTY, tiny_mlp, tiny_problem

from bench.jobs.budget import Budget, Meter, OverBudget
from methods import build


def test_distinct_examples_are_counted_once_and_passes_each_time() -> None:
    problem = tiny_problem(tiny_mlp(), budget=Budget(calibration_examples=8, backward_passes=12))
    problem.gradients(8)
    problem.gradients(4)
    spent = problem._meter.spent
    assert (spent.calibration_examples, spent.backward_passes) == (8, 12)


def test_a_mini_batch_gradient_costs_its_examples() -> None:
    problem = tiny_problem(tiny_mlp())
    problem.gradients(3, batch=4)
    assert problem._meter.spent.backward_passes == 12


def test_over_the_limit_raises_and_is_not_charged() -> None:
    meter = Meter(Budget(backward_passes=5))
    meter.charge("backward_passes", 5)
    with pytest.raises(OverBudget, match="asked for 6 backward passes, the budget allows 5"):
        meter.charge("backward_passes", 1)
    assert meter.spent.backward_passes == 5


def test_moving_the_problem_costs_a_recomputation() -> None:
    problem = tiny_problem(tiny_mlp(), budget=PLENTY.model_copy(update={"recomputations": 1}))
    half = problem.select(problem.weights, 0.5)
    moved = problem.at(
        {name: weight * half[name] for name, weight in problem.weights.items()}, half
    )
    for name, weight in moved.weights.items():
        assert torch.equal(weight != 0, half[name])
    removed = ~torch.cat([mask.flatten() for mask in half.values()])
    assert not moved.gradients(5)[:, removed].any()
    assert all(weight.abs().sum() > 0 for weight in problem.weights.values())
    with pytest.raises(OverBudget, match="2 recomputations"):
        moved.at(problem.weights, half)


def test_the_loss_of_other_weights_is_a_tuning_trial_without_a_backward_pass() -> None:
    problem = tiny_problem(
        tiny_mlp(), budget=Budget(calibration_examples=9, tuning_trials=2), count=9
    )
    halved = {name: weight / 2 for name, weight in problem.weights.items()}
    inputs, labels = problem.examples(9)
    W = list(halved.values())
    outputs = torch.tanh((inputs @ W[0].T).relu() @ W[1].T) @ W[2].T
    expected = torch.nn.functional.cross_entropy(outputs, labels)
    assert problem.loss(halved, 9) == pytest.approx(float(expected))
    assert problem._meter.spent == Budget(calibration_examples=9, tuning_trials=1)
    assert problem.loss(problem.weights, 9) != pytest.approx(float(expected))
    with pytest.raises(OverBudget, match="asked for 3 tuning trials"):
        problem.loss(halved, 9)


def test_a_problem_knows_whether_it_was_asked_for_data() -> None:
    problem = tiny_problem(tiny_mlp())
    build("magnitude", {}).prune(problem)
    assert problem.used_data is False
    problem.examples(1)
    assert problem.used_data is True
