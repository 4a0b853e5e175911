"""The low-rank inverse Fisher against dense algebra and against the paper's recursion."""

import pytest
import torch
from support.oracles import dense_fisher, woodfisher_recursion
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.common.errors import MethodError
from bench.problem.gradients.per_example import DenseGradients
from bench.problem.weights import flatten
from methods import build
from methods.curvature.low_rank import LowRankInverse


@pytest.mark.parametrize("damping", [1e-5, 1e-2, 10.0])
@pytest.mark.parametrize("samples", [7, 40])
def test_diagonal_and_products_equal_the_dense_inverse(samples, damping) -> None:
    gradients = tiny_problem(tiny_conv()).gradients(samples)
    inverse = LowRankInverse(DenseGradients(gradients), damping)
    dense = torch.linalg.inv(dense_fisher(gradients, damping))
    torch.testing.assert_close(inverse.diagonal, dense.diagonal(), rtol=1e-8, atol=0)
    vector = torch.randn(len(dense), generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(inverse.product(vector), dense @ vector, rtol=1e-7, atol=1e-7)


def test_the_recursion_of_the_paper_gives_the_same_inverse() -> None:
    gradients = tiny_problem(tiny_mlp()).gradients(20)
    dense = torch.linalg.inv(dense_fisher(gradients, 1e-3))
    torch.testing.assert_close(woodfisher_recursion(gradients, 1e-3), dense, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_pruned_weights_equal_those_of_the_dense_inverse(net, allocation) -> None:
    problem = tiny_problem(net(), allocation=allocation)
    method = build("woodfisher", {"samples": 30, "damping": 1e-4})
    found = flatten(method.prune(problem))

    weights = flatten(problem.weights)
    inverse = torch.linalg.inv(dense_fisher(problem.gradients(30), 1e-4))
    scores = weights**2 / (2 * inverse.diagonal())
    torch.testing.assert_close(flatten(method.scores(problem)), scores, rtol=1e-7, atol=0)
    shaped, start = {}, 0
    for name, weight in problem.weights.items():
        shaped[name] = scores[start : start + weight.numel()].view(weight.shape)
        start += weight.numel()
    keep = flatten(problem.select(shaped))
    expected = weights.clone()
    for q in (~keep).nonzero().squeeze(1):
        expected -= weights[q] / inverse[q, q] * inverse[:, q]
    expected[~keep] = 0
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_single_precision_stays_close_where_damping_is_small() -> None:
    gradients = tiny_problem(tiny_mlp()).gradients(40)
    single = LowRankInverse(DenseGradients(gradients.float()), 1e-5).diagonal
    dense = torch.linalg.inv(dense_fisher(gradients, 1e-5)).diagonal()
    # The gradients themselves are rounded to 24 bits, which λ = 1e-5 magnifies.
    torch.testing.assert_close(single.double(), dense, rtol=2e-2, atol=0)


def test_damping_must_be_positive() -> None:
    for damping in (0.0, -1.0, float("nan")):
        with pytest.raises(MethodError, match="damping must be above 0"):
            LowRankInverse(DenseGradients(torch.ones(2, 3)), damping)


def test_a_singular_fisher_is_said() -> None:
    with pytest.raises(MethodError, match="numerically singular"):
        LowRankInverse(DenseGradients(torch.full((3, 4), 1e3)), 1e-30)
