"""A method that breaks its contract ends as a record with a sentence, and harms no other job."""

import copy
import random
from dataclasses import dataclass

import pytest
import torch

from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.record import Record
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.problem import Problem
from bench.problem.weights import Weights
from bench.run.one_job import run_job
from methods import METHODS
from methods.magnitude import Magnitude
from methods.method import Method

pytestmark = pytest.mark.usefixtures("registries")


@pytest.fixture(scope="module")
def dense() -> Dense:
    return prepare(PAIRS["mlpnet-mnist5k"], torch.device("cpu"))


def honest(problem: Problem) -> Weights:
    return Magnitude().prune(problem)


def record_of(prune, dense: Dense) -> Record:
    """The record of a job whose method does `prune`, after which magnitude still works."""

    @dataclass(frozen=True)
    class Cheat(Method):
        def prune(self, problem: Problem) -> Weights:
            return prune(problem)

    METHODS["cheat"] = Cheat
    record, after = (run_job(job(name), dense, "study", name) for name in ("cheat", "magnitude"))
    assert after.status == "ok"
    assert after.accuracy is not None and after.accuracy > 80
    return record


def job(method: str) -> Job:
    return Job(
        pair="mlpnet-mnist5k",
        method=method,
        hyperparameters={},
        allocation="layerwise",
        sparsity=0.5,
        seed=0,
        protocol="one-shot",
        budget=Budget(calibration_examples=10, backward_passes=10),
    )


def with_layer(change):
    """A method that changes what it returns for one layer."""

    def prune(problem: Problem) -> Weights:
        found = honest(problem)
        return found | {"fc2.weight": change(found["fc2.weight"].clone())}

    return prune


def too_much_data(problem: Problem) -> Weights:
    problem.gradients(11)
    return honest(problem)


def too_many_passes(problem: Problem) -> Weights:
    problem.gradients(10)
    problem.gradients(1)
    return honest(problem)


def writes_to_the_dense_model(problem: Problem) -> Weights:
    found = honest(problem)
    problem.weights["fc1.weight"].mul_(0.5)
    return found


def leaves_a_hook(problem: Problem) -> Weights:
    problem._model.fc1.register_forward_hook(lambda *_: None)
    return honest(problem)


def leaves_training_mode(problem: Problem) -> Weights:
    problem._model.train()
    return honest(problem)


def draws_globally(problem: Problem) -> Weights:
    torch.rand(1)
    return honest(problem)


def draws_in_python(problem: Problem) -> Weights:
    random.random()
    return honest(problem)


def raises(problem: Problem) -> Weights:
    raise ZeroDivisionError("division by zero")


def forgets_a_layer(problem: Problem) -> Weights:
    return {name: w for name, w in honest(problem).items() if name != "fc3.weight"}


def one_more_zero(weight: torch.Tensor) -> torch.Tensor:
    weight.view(-1)[weight.view(-1).nonzero()[0]] = 0
    return weight


def one_zero_less(weight: torch.Tensor) -> torch.Tensor:
    weight.view(-1)[(weight.view(-1) == 0).nonzero()[0]] = 1e-6
    return weight


@pytest.mark.parametrize(
    ("prune", "status", "reason"),
    [
        (too_much_data, "over-budget", "asked for 11 calibration examples, the budget allows 10"),
        (too_many_passes, "over-budget", "asked for 11 backward passes, the budget allows 10"),
        (writes_to_the_dense_model, "failed", "changed the dense model: fc1.weight"),
        (leaves_a_hook, "failed", "left hooks behind in module fc1"),
        (leaves_training_mode, "failed", "left the dense model in training mode"),
        (draws_globally, "failed", "changed the global random state"),
        (draws_in_python, "failed", "changed the global random state"),
        (raises, "failed", "ZeroDivisionError: division by zero"),
        (forgets_a_layer, "failed", "differing in fc3.weight"),
        (lambda problem: None, "failed", "returned NoneType, expected a dict"),
        (with_layer(lambda w: w.T), "failed", "returned shape (40, 20) for layer fc2.weight"),
        (with_layer(lambda w: w.double()), "failed", "returned dtype torch.float64"),
        (with_layer(lambda w: w.tolist()), "failed", "returned list for layer fc2.weight"),
        (with_layer(lambda w: w.log()), "failed", "NaN or infinite weights in layer fc2.weight"),
        (with_layer(one_more_zero), "failed", "too many zeros: 401 in fc2.weight"),
        (with_layer(one_zero_less), "failed", "too few zeros: 399 in fc2.weight"),
    ],
)
def test_each_cheat_is_caught_with_a_sentence(prune, status, reason, dense) -> None:
    before = copy.deepcopy(dense.model.state_dict())
    record = record_of(prune, dense)
    assert record.status == status
    assert reason in record.reason
    assert record.accuracy is None
    assert all(torch.equal(before[name], t) for name, t in dense.model.state_dict().items())


def test_what_was_spent_is_recorded_also_of_a_failure(dense) -> None:
    record = record_of(too_many_passes, dense)
    assert record.spent == Budget(calibration_examples=10, backward_passes=10)


def test_a_layer_that_lost_all_is_said(dense) -> None:
    def prune(problem: Problem) -> Weights:
        scores = {name: w.abs() + (name != "fc3.weight") for name, w in problem.weights.items()}
        masks = problem.select(scores)
        return {name: w * masks[name] for name, w in problem.weights.items()}

    @dataclass(frozen=True)
    class Emptying(Method):
        def prune(self, problem: Problem) -> Weights:
            return prune(problem)

    METHODS["emptying"] = Emptying
    whole = job("emptying").model_copy(update={"allocation": "global"})
    record = run_job(whole, dense, "study", "emptying")
    assert record.status == "ok"
    emptied, ties = record.notes
    assert emptied == "layer fc3.weight lost all its weights"
    assert ties.startswith("1,000 of 1,000 predictions are ties of equal logits")
    assert record.tied_predictions == 1000
    assert record.layer_sparsity["fc3.weight"] == 1
