"""Quadratic forms and whole matrices of curvature against dense algebra in double precision."""

import functools

import pytest
import torch
import torch.nn.functional as F
from support.oracles import block_mask, dense_fisher
from support.tiny import slow_gradients, tiny_mlp, tiny_problem

from bench.measurements import matrices
from bench.measurements.curvature_figures import pooled
from bench.measurements.curvature_pictures import compared, layer_matrices
from bench.measurements.forms import APPROXIMATIONS, CHUNK, forms
from bench.measurements.steps import steps
from bench.problem.weights import flatten, unflatten
from methods import build

SAMPLES = 24
# torch's forward mode compiles functions in a way that torch itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")

close = functools.partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def problem():
    return tiny_problem(tiny_mlp())


@pytest.fixture(scope="module")
def gradients(problem):
    return slow_gradients(problem, SAMPLES)


def slow_hessian(problem, names):
    """The Hessian [d, d] of the mean loss over the named parameters, forward over reverse."""
    inputs, labels = problem.examples(SAMPLES)
    weights = {name: problem.weights[name] for name in names}

    def loss(vector):
        moved = unflatten(vector, like=weights)
        return F.cross_entropy(torch.func.functional_call(problem._model, moved, (inputs,)), labels)

    return torch.func.hessian(loss)(flatten(weights))


def slow_factors(problem, labels=None):
    """δ [m, out] and a [m, in] of each layer, from gradients δ aᵀ of one example at a time."""
    rows, inputs, deltas = slow_gradients(problem, SAMPLES, labels), {}, {}
    hidden, _ = problem.examples(SAMPLES)
    at = 0
    for module in problem._model:
        if isinstance(module, torch.nn.Linear):
            name = next(n for n, w in problem.weights.items() if w.shape == module.weight.shape)
            size = module.weight.numel()
            own = rows[:, at : at + size].view(SAMPLES, *module.weight.shape)
            inputs[name] = hidden.clone()
            deltas[name] = (own @ hidden[:, :, None]).squeeze(2) / hidden.square().sum(1)[:, None]
            at += size
        hidden = module(hidden.clone())
    return deltas, inputs


def dense_matrices(problem, gradients):
    """Every approximation whose labels aren't drawn, as a dense [d, d] matrix."""
    sizes = [weight.numel() for weight in problem.weights.values()]
    fisher = dense_fisher(gradients, 0.0)
    deltas, inputs = slow_factors(problem)
    factors = {
        name: (deltas[name].T @ deltas[name] / SAMPLES, inputs[name].T @ inputs[name] / SAMPLES)
        for name in problem.weights
    }
    corrected = []
    for (output, given), block in zip(
        factors.values(), _diagonal_blocks(fisher, sizes), strict=True
    ):
        basis = torch.kron(torch.linalg.eigh(output)[1], torch.linalg.eigh(given)[1])
        corrected.append(basis @ (basis.T @ block @ basis).diagonal().diag() @ basis.T)
    return {
        "hessian": slow_hessian(problem, list(problem.weights)),
        "obd": fisher.diagonal().diag(),
        "l-obs": torch.block_diag(
            *[torch.kron(torch.eye(len(s)).double(), a) for s, a in factors.values()]
        ),
        "kfac": torch.block_diag(*[torch.kron(s, a) for s, a in factors.values()]),
        "ekfac": torch.block_diag(*corrected),
        "woodfisher chunks": fisher * block_mask(sizes, CHUNK),
        "woodfisher layer": fisher * block_mask(sizes, "layer"),
        "woodfisher": fisher,
    }


def _diagonal_blocks(matrix, sizes):
    places = torch.arange(len(matrix)).split(sizes)
    return [matrix[place][:, place] for place in places]


def test_forms_are_those_of_the_dense_matrices(problem, gradients) -> None:
    found = forms(problem, SAMPLES)
    assert list(found) == list(APPROXIMATIONS)
    direction = torch.randn(62, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for name, matrix in dense_matrices(problem, gradients).items():
        assert found[name](direction) == pytest.approx(
            float(direction @ matrix @ direction), rel=1e-9
        ), name


def test_the_gauss_newton_diagonal_weighs_every_class(problem) -> None:
    probabilities = problem.predictions(SAMPLES)
    labels = torch.arange(3).repeat_interleave(SAMPLES).view(3, SAMPLES)
    squares = [slow_gradients(problem, SAMPLES, own).square() for own in labels]
    exact = sum(p[:, None] * g for p, g in zip(probabilities.T, squares, strict=True)).mean(0)
    direction = torch.linspace(-1, 1, 62, dtype=torch.float64)
    assert forms(problem, SAMPLES)["obd ggn"](direction) == pytest.approx(
        float(direction.square() @ exact), rel=1e-9
    )


def test_steps_reach_exact_zeros_and_differ_by_the_move_of_survivors(problem) -> None:
    methods = {
        "magnitude": build("magnitude", {}),
        "woodfisher": build("woodfisher", {"samples": 9}),
    }
    found = list(steps(problem, methods, [0.5]))
    assert [(s.criterion, s.compensated) for s in found] == [
        ("magnitude", False),
        ("woodfisher", False),
        ("woodfisher", True),
    ]
    start = flatten(problem.weights)
    ends = [start + step.move for step in found]
    assert [int((end == 0).sum()) for end in ends] == [31, 31, 31]
    pruned = flatten(build("woodfisher", {"samples": 9}).prune(problem))
    close(ends[2], pruned)
    close(ends[1], start * (pruned != 0))


def test_whole_matrices_are_the_exact_ones(problem, gradients) -> None:
    inputs, labels = problem.examples(SAMPLES)
    last = "4"
    exact = slow_hessian(problem, [f"{last}.weight"])
    model = problem._model
    close(matrices.hessian(model, last, inputs, labels), exact)
    # The logits are linear in the last layer's weights, so Hessian and true Fisher are one matrix.
    close(matrices.true(model, last, inputs).fisher, exact)
    empirical = matrices.empirical(model, last, inputs, labels)
    close(empirical.fisher, dense_fisher(gradients, 0.0)[-12:, -12:])
    deltas, given = slow_factors(problem)
    close(empirical.output, deltas["4.weight"].T @ deltas["4.weight"] / SAMPLES)
    close(empirical.input, given["4.weight"].T @ given["4.weight"] / SAMPLES)


def test_only_one_order_of_the_factors_is_exact_for_one_example(problem) -> None:
    inputs, labels = problem.examples(1)
    one = matrices.empirical(problem._model, "2", inputs, labels)
    assert matrices.relative_error(matrices.kronecker(one), one.fisher) < 1e-12
    assert matrices.relative_error(matrices.swapped(one), one.fisher) > 0.5


def test_what_is_nearest_in_frobenius_norm_is_nearer(problem) -> None:
    true = matrices.true(problem._model, "2", problem.examples(SAMPLES)[0])

    def error(matrix):
        return matrices.relative_error(matrix, true.fisher)

    kfac = error(matrices.kronecker(true))
    assert error(matrices.nearest_kronecker(true)) < kfac
    assert error(matrices.eigenvalue_corrected(true)) < kfac
    values = torch.linalg.eigvalsh(true.fisher)
    rest = float(values[:-3].norm() / values.norm())
    assert error(matrices.low_rank(true.fisher, 3)) == pytest.approx(rest, rel=1e-9)
    inside = matrices.blocks(true.fisher, 5)
    close(inside[:5, :5], true.fisher[:5, :5])
    assert inside[:5, 5:].abs().max() == 0


def test_errors_are_against_each_reference_and_scale_free_ones_are_smaller(problem) -> None:
    inputs, labels = problem.examples(SAMPLES)
    errors = compared(layer_matrices(problem._model, "4", inputs, labels, few=5))
    at = errors.set_index(["matrix", "reference"])
    assert at.error["Hessian", "Hessian"] == 0
    assert at.error["true Fisher", "Hessian"] < 1e-9
    assert (errors.scaled_error <= errors.error + 1e-12).all()
    assert at.error["K-FAC true, S⊗A", "true Fisher"] < at.error["K-FAC true, A⊗S", "true Fisher"]


def test_a_picture_keeps_the_largest_entry_of_each_square() -> None:
    matrix = torch.zeros(5, 5)
    matrix[0, 1], matrix[3, 3], matrix[4, 4] = 2.0, -3.0, 1.0
    assert pooled(matrix, 3).tolist() == [[2, 0, 0], [0, -3, 0], [0, 0, 1]]
    assert pooled(matrix, 5) is matrix
