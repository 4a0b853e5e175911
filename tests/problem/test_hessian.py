"""Hessian-vector products and curvature diagonals against dense matrices in double precision."""

import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from support.tiny import PLENTY, slow_gradients, tiny_conv, tiny_mlp, tiny_problem
from torch import nn

from bench.jobs.budget import OverBudget
from bench.problem.chunks import CHUNK
from bench.problem.weights import flatten, unflatten
from bench.run.contract import untouched
from methods.curvature.diagonals import (
    fisher_diagonal,
    ggn_diagonal,
    hessian_diagonal,
    hutchinson_diagonal,
)

SAMPLES = CHUNK + 7
NETS = pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])

# curvlinops and torch's forward mode compile functions in a way that torch itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")

close = functools.partial(torch.testing.assert_close, rtol=1e-8, atol=1e-10)


def tiny(net, **limits):
    budget = PLENTY.model_copy(update=limits)
    return tiny_problem(net(), count=SAMPLES, budget=budget)


def logits_of(problem, inputs):
    """The logits [n, classes] as a function of the flat prunable weights [d]."""

    def call(vector):
        weights = unflatten(vector, like=problem.weights)
        return torch.func.functional_call(problem._model, weights, (inputs,))

    return call


def dense_hessian(problem, samples):
    """The Hessian [d, d] of the mean loss, forward over reverse."""
    inputs, labels = problem.examples(samples)
    logits = logits_of(problem, inputs)
    loss = torch.func.hessian(lambda vector: F.cross_entropy(logits(vector), labels))
    return loss(flatten(problem.weights))


def dense_ggn(problem, samples):
    """(1/m) Σ Jᵀ (diag p - p pᵀ) J as a [d, d] matrix."""
    inputs, _ = problem.examples(samples)
    logits = logits_of(problem, inputs)
    weights = flatten(problem.weights)
    jacobian = torch.func.jacrev(logits)(weights)
    total = 0
    for J, p in zip(jacobian, logits(weights).softmax(1), strict=True):
        total = total + J.T @ (p.diag() - torch.outer(p, p)) @ J
    return total / samples


def operator(kind, problem, samples):
    """The linear operator of curvlinops for the same model and data."""
    import curvlinops

    model = copy.deepcopy(problem._model)
    parameters = [model.get_parameter(name).requires_grad_() for name in problem.weights]
    data = [problem.examples(samples)]
    create = getattr(curvlinops, kind)
    return create(model, nn.CrossEntropyLoss(), parameters, data, check_deterministic=False)


def vector_for(problem):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(len(flatten(problem.weights)), generator=generator, dtype=torch.float64)


@NETS
def test_products_equal_the_dense_hessian_times_the_vector(net) -> None:
    problem = tiny(net)
    vector = vector_for(problem)
    expected = dense_hessian(problem, SAMPLES) @ vector
    assert expected.abs().max() > 1e-2
    close(problem.hessian_vector_product(vector, SAMPLES), expected)


@NETS
def test_products_equal_those_of_curvlinops(net) -> None:
    problem = tiny(net)
    vector = vector_for(problem)
    parts = list(unflatten(vector, like=problem.weights).values())
    found = operator("HessianLinearOperator", problem, SAMPLES) @ parts
    expected = torch.cat([part.flatten() for part in found])
    close(problem.hessian_vector_product(vector, SAMPLES), expected)


@NETS
def test_a_product_leaves_the_model_as_it_was(net) -> None:
    problem = tiny(net)
    model = problem._model
    flags = [parameter.requires_grad for parameter in model.parameters()]
    pointers = [parameter.data_ptr() for parameter in model.parameters()]
    with untouched(model, copy.deepcopy(model)):
        problem.hessian_vector_product(vector_for(problem), SAMPLES)
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert [parameter.data_ptr() for parameter in model.parameters()] == pointers
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_product_works_where_gradients_are_off() -> None:
    problem = tiny(tiny_mlp)
    vector = vector_for(problem)
    expected = problem.hessian_vector_product(vector, 5)
    with torch.no_grad():
        assert torch.equal(problem.hessian_vector_product(vector, 5), expected)


def test_weights_outside_the_support_take_no_part() -> None:
    problem = tiny(tiny_mlp)
    masks = problem.select(problem.weights, 0.5)
    moved = problem.at({n: w * masks[n] for n, w in problem.weights.items()}, masks)
    inside = flatten(masks).double()
    vector = vector_for(problem)
    expected = inside * (dense_hessian(moved, 9) @ (inside * vector))
    close(moved.hessian_vector_product(vector, 9), expected)


def test_a_product_charges_its_examples() -> None:
    problem = tiny(tiny_mlp, hessian_vector_products=20)
    vector = vector_for(problem)
    problem.hessian_vector_product(vector, 12)
    problem.hessian_vector_product(vector, 8)
    spent = problem._meter.spent
    assert (spent.hessian_vector_products, spent.calibration_examples) == (20, 12)
    assert spent.backward_passes == 0
    with pytest.raises(OverBudget, match="21 hessian vector products, the budget allows 20"):
        problem.hessian_vector_product(vector, 1)


def test_predictions_are_probabilities_in_calibration_order() -> None:
    problem = tiny(tiny_conv, backward_passes=0)
    inputs, _ = problem.examples(SAMPLES)
    torch.testing.assert_close(problem.predictions(SAMPLES), problem._model(inputs).softmax(1))
    assert problem._meter.spent.calibration_examples == SAMPLES


@NETS
def test_empirical_fisher(net) -> None:
    problem = tiny(net)
    expected = slow_gradients(problem, SAMPLES).square().mean(0)
    close(fisher_diagonal(problem, SAMPLES), expected)


@NETS
def test_ggn_equals_the_dense_matrix_and_curvlinops(net) -> None:
    problem = tiny(net)
    found = ggn_diagonal(problem, SAMPLES)
    close(found, dense_ggn(problem, SAMPLES).diag())
    ggn = operator("GGNLinearOperator", problem, SAMPLES)
    close(found, (ggn @ torch.eye(len(found), dtype=torch.float64)).diag())


@NETS
def test_ggn_is_the_expectation_of_the_true_fisher(net) -> None:
    problem = tiny(net)
    probability = problem.predictions(SAMPLES)
    expected = 0
    for label in range(3):
        rows = slow_gradients(problem, SAMPLES, torch.full((SAMPLES,), label))
        expected = expected + (probability[:, label, None] * rows.square()).mean(0)
    close(ggn_diagonal(problem, SAMPLES), expected)


def test_the_true_fisher_converges_to_the_ggn() -> None:
    """The error of a mean over 200 draws is 1/√200 of one draw's, here with a margin of two."""
    problem = tiny(tiny_mlp)
    expected = ggn_diagonal(problem, SAMPLES)
    draws = []
    for repeat in range(200):
        generator = torch.Generator().manual_seed(repeat)
        problem.generator = lambda purpose, of=generator: of
        draws.append(fisher_diagonal(problem, SAMPLES, "true"))
    errors = torch.stack(draws) - expected
    assert errors.mean(0).norm() < errors.norm(dim=1).mean() / 7
    assert errors.mean(0).norm() < 0.05 * expected.norm()


def test_the_size_of_a_chunk_changes_nothing() -> None:
    one, other = tiny(tiny_conv), tiny(tiny_conv)
    other.chunk = 7
    vector = vector_for(one)
    for diagonal in (fisher_diagonal, ggn_diagonal):
        close(diagonal(one, SAMPLES), diagonal(other, SAMPLES))
    products = (problem.hessian_vector_product(vector, SAMPLES) for problem in (one, other))
    close(*products)


@NETS
def test_hessian(net) -> None:
    problem = tiny(net)
    close(hessian_diagonal(problem, SAMPLES), dense_hessian(problem, SAMPLES).diag())


def test_hessian_and_ggn_agree_where_each_weight_acts_piecewise_linearly() -> None:
    def relu_net():
        torch.manual_seed(0)
        conv = nn.Sequential(nn.Conv2d(2, 1, 3), nn.BatchNorm2d(1), nn.ReLU(), nn.MaxPool2d(2))
        return nn.Sequential(*conv, nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))

    problem = tiny(relu_net)
    close(hessian_diagonal(problem, 20), ggn_diagonal(problem, 20))
    # With Tanh they differ, and the Hessian's has entries below zero.
    problem = tiny(tiny_mlp)
    found = hessian_diagonal(problem, 20)
    assert found.min() < 0
    assert (found - ggn_diagonal(problem, 20)).abs().max() > 1e-3


@NETS
def test_hutchinson_converges_to_the_hessian(net) -> None:
    """Each entry within 5 of its own standard errors, √(Σ_{r≠q} H_qr² / k), with k = 20,000."""
    problem, dense = tiny(net), tiny(net)
    H = dense_hessian(problem, 5)
    dense.hessian_vector_product = lambda vector, samples: H @ vector
    error = (H.square().sum(1) - H.diag().square()).div(20_000).sqrt()
    found = hutchinson_diagonal(dense, 5, probes=20_000)
    assert error.norm() < 0.2 * H.diag().norm()
    assert (found - H.diag()).abs().le(5 * error + 1e-12).all()
    assert (found - H.diag()).norm() < 2 * error.norm()
    close(hutchinson_diagonal(problem, 5, probes=3), hutchinson_diagonal(dense, 5, probes=3))


def test_hutchinson_is_exact_for_a_diagonal_hessian() -> None:
    problem = tiny(tiny_mlp)
    curvature = vector_for(problem)
    problem.hessian_vector_product = lambda vector, samples: curvature * vector
    torch.testing.assert_close(hutchinson_diagonal(problem, 1, probes=1), curvature)


@pytest.mark.parametrize(
    ("diagonal", "passes", "products"),
    [
        (lambda p: fisher_diagonal(p, 7), 7, 0),
        (lambda p: fisher_diagonal(p, 7, "true"), 7, 0),
        (lambda p: ggn_diagonal(p, 7), 3 * 7, 0),
        (lambda p: hessian_diagonal(p, 7), 0, 62 * 7),
        (lambda p: hutchinson_diagonal(p, 7, 5), 0, 5 * 7),
    ],
)
def test_costs_are_charged_exactly(diagonal, passes, products) -> None:
    limits = {"backward_passes": passes, "hessian_vector_products": products}
    problem = tiny(tiny_mlp, calibration_examples=7, **limits)
    diagonal(problem)
    spent = problem._meter.spent
    assert (spent.backward_passes, spent.hessian_vector_products) == (passes, products)
    assert spent.calibration_examples == 7
    for resource, limit in limits.items():
        if limit > 0:
            with pytest.raises(OverBudget, match=resource.replace("_", " ")):
                diagonal(tiny(tiny_mlp, **{resource: limit - 1}))
