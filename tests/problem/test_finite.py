"""NaN and infinite numbers stop every method with a sentence that says from which example on."""

import pytest
import torch
from support.own_pairs import Net, job_of, own, ready
from support.tiny import tiny_mlp, tiny_problem
from torch import Tensor, nn

from bench.common.errors import MethodError, UserError
from bench.problem.problem import Problem
from bench.run.one_job import run_job
from methods import build

__all__ = ["own"]

FIELDS = {"samples": 20}
SEEING = {
    "obd": FIELDS,
    "obd, true": FIELDS | {"curvature": "true-fisher"},
    "obd, ggn": FIELDS | {"curvature": "ggn"},
    "obd, hutchinson": FIELDS | {"curvature": "hutchinson", "probes": 2},
    "l-obs": FIELDS,
    "kfac": FIELDS,
    "ekfac": FIELDS,
    "woodfisher": FIELDS,
    "woodfisher, batches": {"samples": 4, "batch": 5},
    "woodtaylor": FIELDS,
    "obc": FIELDS,
    "cbs": FIELDS,
    "chita": FIELDS,
    "chita++": FIELDS | {"stages": 2},
}


def prune(problem: Problem, label: str) -> None:
    build(label.partition(",")[0], SEEING[label]).prune(problem)


def spoiled(value: float, position: int) -> Problem:
    """A problem in which one number of one example, by its place in the seed's order, is this."""
    problem = tiny_problem(tiny_mlp())
    calibration = problem._calibration
    calibration._examples.inputs[calibration._order[position], 2] = value
    return problem


@pytest.mark.parametrize("label", SEEING)
def test_nan_in_the_inputs_is_said(label) -> None:
    with pytest.raises(MethodError, match="NaN.*from calibration example 8 of"):
        prune(spoiled(float("nan"), 7), label)


@pytest.mark.parametrize("label", SEEING)
def test_an_infinite_input_is_said(label) -> None:
    with pytest.raises(MethodError, match=r"(infinite values|NaN).*from calibration example 1 of"):
        prune(spoiled(float("inf"), 0), label)


@pytest.mark.parametrize(
    ("method", "fields"),
    [("l-obs", {}), ("woodfisher", {}), ("obd", {"curvature": "hutchinson", "probes": 1})],
)
def test_examples_are_counted_across_chunks(method, fields) -> None:
    problem = tiny_problem(tiny_mlp(), count=60)
    calibration = problem._calibration
    calibration._examples.inputs[calibration._order[54], 2] = float("nan")
    assert problem.chunk < 54
    with pytest.raises(MethodError, match="from calibration example 55 of"):
        build(method, {"samples": 60} | fields).prune(problem)


class Root(nn.Module):
    """√|x|, whose slope at zero is infinite though its value is not."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs().sqrt()


BACKWARD = [label for label in SEEING if label not in ("l-obs", "obc")]


@pytest.mark.parametrize("label", BACKWARD)
def test_nan_in_the_gradients_alone_is_said(label) -> None:
    net = tiny_mlp()
    net[1] = Root()
    problem = tiny_problem(net)
    calibration = problem._calibration
    calibration._examples.inputs[calibration._order[11]] = 0
    what = "Hessian-vector products" if "hutchinson" in label else "gradients of the layer"
    with pytest.raises(MethodError, match=f"{what}.*from calibration example (12|1) of"):
        prune(problem, label)


def test_what_is_finite_passes_though_its_sum_overflows() -> None:
    from bench.problem.finite import assert_finite

    assert_finite("numbers", torch.full((4, 3), 3e38))


def test_dense_weights_with_nan_are_refused(own) -> None:
    state = Net().state_dict()
    state["b.weight"][3, 4] = float("nan")
    with pytest.raises(UserError, match=r"NaN or infinite numbers in b\.weight"):
        ready(own(Net, state=state))


def test_a_dense_model_whose_loss_is_infinite_is_refused(own) -> None:
    class Overflowing(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).exp().exp().exp() * 1e38

    with pytest.raises(UserError, match=r"has the loss (nan|inf)|autograd|would be wrong"):
        ready(own(Overflowing))


def test_a_nan_loss_of_the_pruned_model_is_no_number(own) -> None:
    class Fragile(Net):
        """Finite as long as a weight of its first layer isn't zero."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 0 * self.a.weight.log().mean()

    state = Net().state_dict()
    state["a.weight"] = state["a.weight"].abs() + 1e-3
    dense = ready(own(Fragile, state=state, prunable=r"[abc]\.weight"))
    record = run_job(job_of("magnitude"), dense, "study", "magnitude")
    assert record.status == "failed"
    assert record.accuracy is None
    assert "test loss is nan" in record.reason
