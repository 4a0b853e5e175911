"""K-FAC and EKFAC as pruning methods, against dense matrices and brute force."""

import pytest
import torch
from support.oracles import sum_of_single_moves
from support.tiny import slow_gradients, tiny_conv, tiny_mlp, tiny_problem

from bench.jobs.budget import Budget, OverBudget
from bench.problem.weights import flatten, unflatten
from methods import build
from methods.curvature.factors import fisher_factors
from methods.ekfac import _keeping

SAMPLES = 30


def dense_kfac(problem, damping: float, pi: bool, fisher: str = "empirical"):
    """The damped F [d, d], a block a layer, from the factors by their definitions."""
    blocks = []
    for layer in fisher_factors(problem.signals(SAMPLES, fisher)).values():
        S, A = layer.output, layer.input
        ratio = ((A.trace() / len(A)) / (S.trace() / len(S))) ** 0.5 if pi else 1.0
        root = damping**0.5
        blocks.append(
            torch.kron(
                S + root / ratio * torch.eye(len(S)).double(),
                A + root * ratio * torch.eye(len(A)).double(),
            )
        )
    return torch.block_diag(*blocks)


def dense_ekfac(problem, damping: float):
    """U diag(E[(Uᵀg)²] + λ) Uᵀ, with U by numpy and g by one backward pass an example."""
    sizes = [weight.numel() for weight in problem.weights.values()]
    rows = slow_gradients(problem, SAMPLES).split(sizes, dim=1)
    blocks = []
    layers = fisher_factors(problem.signals(SAMPLES)).values()
    for part, layer in zip(rows, layers, strict=True):
        U = torch.kron(torch.linalg.eigh(layer.output)[1], torch.linalg.eigh(layer.input)[1])
        blocks.append(U @ torch.diag((part @ U).square().mean(0) + damping) @ U.T)
    return torch.block_diag(*blocks)


def brute_force(problem, F, moves: bool = True):
    """Scores and pruned weights from a dense F, one weight at a time."""
    weights = flatten(problem.weights)
    inverse = torch.linalg.inv(F)
    scores = weights**2 / (2 * inverse.diagonal()) if moves else weights**2 * F.diagonal() / 2
    keep = flatten(problem.select(unflatten(scores, like=problem.weights)))
    moved = weights + sum_of_single_moves(weights, inverse, keep) if moves else weights
    return scores, moved * keep


def check(method, problem, F, moves: bool = True) -> None:
    """Scores, weights and the loss that the quadratic model predicts are those of brute force."""
    scores, expected = brute_force(problem, F, moves)
    found = flatten(method.prune(problem))
    torch.testing.assert_close(flatten(method.scores(problem)), scores, rtol=1e-7, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    step, other = found - flatten(problem.weights), expected - flatten(problem.weights)
    torch.testing.assert_close(step @ F @ step / 2, other @ F @ other / 2, rtol=1e-6, atol=0)


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("style", ["obs", "obd"])
@pytest.mark.parametrize("pi", [False, True])
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_kfac_equals_brute_force(net, style, pi, allocation) -> None:
    problem = tiny_problem(net(), allocation=allocation)
    method = build("kfac", {"samples": SAMPLES, "damping": 1e-3, "pi": pi, "style": style})
    check(method, problem, dense_kfac(problem, 1e-3, pi), moves=style == "obs")


def test_kfac_with_the_true_fisher_draws_labels_from_the_model() -> None:
    problem = tiny_problem(tiny_mlp())
    method = build("kfac", {"samples": SAMPLES, "damping": 1e-3, "fisher": "true"})
    check(method, problem, dense_kfac(problem, 1e-3, False, "true"))
    assert distance(dense_kfac(problem, 0, False, "true"), dense_kfac(problem, 0, False)) > 0.01


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_ekfac_equals_brute_force(net, allocation) -> None:
    problem = tiny_problem(net(), allocation=allocation)
    method = build("ekfac", {"samples": SAMPLES, "damping": 1e-3})
    check(method, problem, dense_ekfac(problem, 1e-3))


def tall_conv() -> torch.nn.Sequential:
    """Few positions of many weights, so that signals are smaller than gradients."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 8, 5), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(32, 3)
    )


def even_net() -> torch.nn.Sequential:
    """A square layer of four weights."""
    torch.manual_seed(0)
    layers = (torch.nn.Linear(2, 2, bias=False), torch.nn.Tanh(), torch.nn.Linear(2, 3))
    return torch.nn.Sequential(torch.nn.Conv2d(2, 2, 6), torch.nn.Flatten(), *layers)


def test_ekfac_of_signals_at_several_positions_equals_brute_force() -> None:
    problem = tiny_problem(tall_conv())
    method = build("ekfac", {"samples": SAMPLES, "damping": 1e-2})
    check(method, problem, dense_ekfac(problem, 1e-2))


@pytest.mark.parametrize(
    ("net", "whole"),
    [
        # Numbers of an example, T (out + in) against out × in: 1 × 11 and 30, 1 × 7 and 12 …
        (tiny_mlp, [False, False, False]),
        # 36 × 21 and 54, 9 × 31 and 108, 1 × 19 and 48.
        (tiny_conv, [True, True, False]),
        # 4 × 58 and 400, 1 × 35 and 96.
        (tall_conv, [False, False]),
        # 1 × 74 and 144, 1 × 4 and 4, which is as much, 1 × 5 and 6.
        (even_net, [False, False, False]),
    ],
)
def test_ekfac_keeps_the_smaller_form_of_a_gradient(net, whole) -> None:
    problem = tiny_problem(net())
    kept = {name: [] for name in problem.weights}
    for _ in _keeping(kept, problem.signals(SAMPLES)):
        pass
    assert [isinstance(parts[0], torch.Tensor) for parts in kept.values()] == whole


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_ekfac_is_nearer_to_the_exact_fisher_than_kfac(net) -> None:
    problem = tiny_problem(net())
    sizes = [weight.numel() for weight in problem.weights.values()]
    rows = slow_gradients(problem, SAMPLES).split(sizes, dim=1)
    exact = torch.block_diag(*[part.T @ part / SAMPLES for part in rows])
    kfac, ekfac = dense_kfac(problem, 0.0, False), dense_ekfac(problem, 0.0)
    assert distance(ekfac, exact) < 0.95 * distance(kfac, exact)


@pytest.mark.parametrize(
    ("name", "fields"),
    [("kfac", {}), ("kfac", {"pi": True}), ("kfac", {"style": "obd"}), ("ekfac", {})],
)
def test_a_large_damping_chooses_the_mask_of_magnitude(name, fields) -> None:
    problem = tiny_problem(tiny_conv())
    kept = [
        flatten(build(*args).prune(problem)) != 0
        for args in (
            ("magnitude", {}),
            (name, {"samples": 20, "damping": 1e16, **fields}),
            (name, {"samples": 20, "damping": 1e-5, **fields}),
        )
    ]
    assert torch.equal(kept[1], kept[0])
    assert not torch.equal(kept[2], kept[0])


def test_survivors_stay_in_the_obd_style() -> None:
    problem = tiny_problem(tiny_mlp())
    found = flatten(build("kfac", {"samples": 20, "style": "obd"}).prune(problem))
    assert torch.equal(found[found != 0], flatten(problem.weights)[found != 0])


@pytest.mark.parametrize("name", ["kfac", "ekfac"])
def test_each_example_costs_one_backward_pass(name) -> None:
    allowed = Budget(calibration_examples=20, backward_passes=20)
    problem = tiny_problem(tiny_conv(), budget=allowed)
    build(name, {"samples": 20}).prune(problem)
    assert problem._meter.spent == allowed
    with pytest.raises(OverBudget):
        build(name, {"samples": 21}).prune(tiny_problem(tiny_conv(), budget=allowed))


@pytest.mark.parametrize("name", ["kfac", "ekfac", "l-obs"])
def test_recomputation_keeps_what_is_gone_gone(name) -> None:
    problem = tiny_problem(tiny_conv(), sparsity=0.8)
    found = flatten(build(name, {"samples": 20, "recomputations": 3}).prune(problem))
    assert int((found == 0).sum()) == round(0.8 * len(found))
    assert problem._meter.spent.recomputations == 2


def distance(found, exact) -> float:
    return float((found - exact).norm() / exact.norm())
