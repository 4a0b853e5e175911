"""Kronecker factors: their order, their scale and their algebra, against exact Fishers.

Conventions of curvlinops 3.0.1 (`expand`): A is a mean over examples and positions, S a mean over
examples of the sum over positions. Here A is summed over positions and S averaged (Grosse & Martens
2016), so A is T times theirs, S is 1/T times theirs and S ⊗ A is the same.
"""

import warnings

import pytest
import torch
from support.oracles import joint_obs
from support.tiny import PLENTY, TinyExamples, slow_gradients, tiny_conv, tiny_mlp, tiny_problem
from torch import nn

from bench.common.errors import MethodError
from bench.jobs.budget import Meter
from bench.problem.calibration import Calibration
from bench.problem.gradients.signal import Signal, Use
from bench.problem.problem import Problem, Target
from methods import build
from methods.curvature.factors import Factors, fisher_factors
from methods.curvature.kronecker import DiagonalInverse, KroneckerInverse, SharedInverse

with warnings.catch_warnings():
    # A dependency of curvlinops scripts a function when it is imported.
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
    from curvlinops import EKFACLinearOperator, KFACLinearOperator

SAMPLES = 30


def square_mlp() -> nn.Sequential:
    """A square layer, whose shape can't reveal swapped factors, before one that isn't."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 6, bias=False), nn.Tanh(), nn.Linear(6, 3, bias=False))


def independent_problem() -> Problem:
    """Every input with every label, under a layer of zeros: a and δ = p - e_y are independent."""
    net = nn.Sequential(nn.Linear(3, 3, bias=False)).double().eval().requires_grad_(False)
    nn.init.zeros_(net[0].weight)
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    labels = torch.tensor([0, 1, 2, 2])  # no class's δ is like another's
    examples = TinyExamples(inputs.repeat_interleave(4, 0), labels.repeat(5))
    calibration = Calibration(examples, 0, Meter(PLENTY))
    return Problem(net, {"0.weight": "0"}, calibration, Target(0.5, "global"))


def exact_blocks(problem: Problem, samples: int) -> dict[str, torch.Tensor]:
    """The Fisher block of each layer from one plain backward pass an example."""
    rows = slow_gradients(problem, samples)
    sizes = [weight.numel() for weight in problem.weights.values()]
    parts = zip(problem.weights, rows.split(sizes, dim=1), strict=True)
    return {name: part.T @ part / samples for name, part in parts}


def distance(found, exact) -> float:
    return float((found - exact).norm() / exact.norm())


EXACT = [
    pytest.param(lambda: tiny_problem(tiny_mlp()), 1, id="one example"),
    pytest.param(lambda: tiny_problem(square_mlp()), 1, id="one example, square layer"),
    pytest.param(independent_problem, 20, id="independent, square layer"),
]


@pytest.mark.parametrize(("problem", "samples"), EXACT)
def test_s_outside_a_is_the_exact_fisher_and_a_outside_s_is_not(problem, samples) -> None:
    problem = problem()
    factors = fisher_factors(problem.signals(samples))
    for name, exact in exact_blocks(problem, samples).items():
        S, A = factors[name].output, factors[name].input
        assert distance(torch.kron(S, A), exact) < 1e-12
        assert distance(torch.kron(A, S), exact) > 0.5


@pytest.mark.parametrize("name", ["kfac", "ekfac"])
@pytest.mark.parametrize(("problem", "samples"), EXACT)
def test_the_inverse_has_the_order_of_the_exact_fisher(name, problem, samples) -> None:
    """F F⁻¹ F = F where damping is small, which no swapped inverse satisfies."""
    problem = problem()
    inverse = build(name, {"samples": samples, "damping": 1e-12}).inverse(problem)
    blocks = exact_blocks(problem, samples)
    for part, (layer, exact) in zip(inverse.parts, blocks.items(), strict=True):
        applied = torch.stack([part.product(row) for row in exact], dim=1)
        assert distance(exact @ applied, exact) < 1e-3
        out, given = problem.weights[layer].shape
        if out == given:
            swap = torch.arange(out * given).view(out, given).T.flatten()
            swapped = torch.stack([part.product(row[swap])[swap] for row in exact], dim=1)
            assert distance(exact @ swapped, exact) > 0.5


@pytest.mark.parametrize("pi", [False, True])
@pytest.mark.parametrize("damping", [1e-5, 1e-1])
def test_the_inverse_equals_that_of_the_dense_product(pi, damping) -> None:
    problem = tiny_problem(tiny_conv())
    for factors in fisher_factors(problem.signals(SAMPLES)).values():
        S, A = factors.output, factors.input
        ratio = ((A.trace() / len(A)) / (S.trace() / len(S))) ** 0.5 if pi else 1.0
        root = damping**0.5
        dense = torch.linalg.inv(
            torch.kron(
                S + root / ratio * torch.eye(len(S)).double(),
                A + root * ratio * torch.eye(len(A)).double(),
            )
        )
        inverse = KroneckerInverse(factors.damped(damping, pi), torch.float64)
        torch.testing.assert_close(inverse.diagonal, dense.diagonal(), rtol=1e-8, atol=0)
        vector = torch.randn(len(dense), generator=torch.Generator().manual_seed(0)).double()
        torch.testing.assert_close(inverse.product(vector), dense @ vector, rtol=1e-7, atol=1e-7)


def test_a_shared_inverse_by_dense_algebra() -> None:
    """Every entry of its moves, those of the removed too, whatever each unit loses."""
    draw = torch.Generator().manual_seed(0)
    root = torch.randn(9, 6, generator=draw).double()
    H = root.T @ root / 9
    dense = torch.linalg.inv(torch.kron(torch.eye(4).double(), H))
    inverse = SharedInverse(H, 4, torch.float64)
    torch.testing.assert_close(inverse.diagonal, dense.diagonal(), rtol=1e-10, atol=0)
    vector = torch.randn(24, generator=draw).double()
    torch.testing.assert_close(inverse.product(vector), dense @ vector, rtol=1e-9, atol=1e-10)
    keep = torch.rand(4, 6, generator=draw) > 0.5
    keep[0], keep[1] = True, False  # a unit that loses nothing, and one that loses all
    keep = keep.flatten()
    found = inverse.joint_move(vector * ~keep, keep)
    torch.testing.assert_close(found, joint_obs(vector, dense, keep), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(found[~keep], -vector[~keep])
    assert not found[:6].any()


def test_a_diagonal_inverse_divides() -> None:
    inverse = DiagonalInverse(torch.tensor([2.0, 4.0]))
    assert inverse.diagonal.tolist() == [0.5, 0.25]
    assert inverse.product(torch.tensor([3.0, -8.0])).tolist() == [1.5, -2.0]


def test_results_have_the_type_of_the_weights() -> None:
    problem = tiny_problem(tiny_mlp(), dtype=torch.float32)
    for name in ("kfac", "ekfac", "l-obs"):
        inverse = build(name, {"samples": 20}).inverse(problem)
        assert inverse.diagonal.dtype == torch.float32
        assert inverse.product(inverse.diagonal).dtype == torch.float32


def test_damping_is_the_same_on_both_factors_unless_pi_is_asked_for() -> None:
    factors = Factors(torch.eye(2).double(), 5 * torch.eye(3).double())
    plain, shared = factors.damped(4.0), factors.damped(4.0, pi=True)
    assert plain.output[0, 0] == 1 + 2
    assert plain.input[0, 0] == 5 + 2
    assert float(shared.output[0, 0]) == pytest.approx(1 + 2 / 5**0.5)
    assert float(shared.input[0, 0]) == pytest.approx(5 + 2 * 5**0.5)


def test_a_layer_without_signal_has_pi_one() -> None:
    dead = Factors(torch.zeros(2, 2).double(), torch.eye(3).double())
    assert torch.equal(dead.damped(4.0, pi=True).output, 2 * torch.eye(2).double())
    assert torch.equal(dead.damped(4.0, pi=True).input, 3 * torch.eye(3).double())


def test_a_singular_factor_is_said() -> None:
    factors = Factors(torch.ones(2, 2).double(), torch.eye(3).double())
    with pytest.raises(MethodError, match="factor of side 2 is numerically singular: use a larger"):
        KroneckerInverse(factors.damped(1e-40), torch.float64)


def test_a_convolution_at_one_position_is_a_linear_layer() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 6, bias=False)
    linear = nn.Linear(72, 3, bias=False)
    linear.weight = nn.Parameter(conv.weight.detach().flatten(1))
    found = fisher_factors(tiny_problem(nn.Sequential(conv, nn.Flatten())).signals(20))["0.weight"]
    problem = tiny_problem(nn.Sequential(nn.Conv2d(2, 3, 6, bias=False)))
    inputs, labels = problem.examples(20)
    examples = TinyExamples(inputs.flatten(1), labels)
    net = nn.Sequential(linear).double().eval().requires_grad_(False)
    calibration = Calibration(examples, 0, Meter(PLENTY))
    flat = Problem(net, {"0.weight": "0"}, calibration, Target(0.5, "global"))
    expected = fisher_factors(flat.signals(20))["0.weight"]
    torch.testing.assert_close(found.output, expected.output, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.input, expected.input, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("positions", [1, 4, 25])
def test_the_scale_of_a_convolution_is_that_of_its_exact_fisher(positions) -> None:
    """Under KFC's own assumptions, positions alike and uncorrelated: a T times larger F fails."""
    draw = torch.Generator().manual_seed(0)
    mixing = torch.randn(3, 3, generator=draw).double(), torch.randn(2, 2, generator=draw).double()
    inputs = mixing[0] @ torch.randn(20_000, 3, positions, generator=draw).double()
    outputs = mixing[1] @ torch.randn(20_000, 2, positions, generator=draw).double()
    signal = Signal((Use(nn.Conv2d(3, 2, 1), inputs.unsqueeze(3), outputs.unsqueeze(3)),))
    rows = signal.gradients()
    factors = fisher_factors([{"layer": signal}])["layer"]
    kronecker = torch.kron(factors.output, factors.input)
    # 20,000 samples leave a few per cent of noise.
    assert distance(kronecker, rows.T @ rows / len(rows)) < 0.1
    assert float(kronecker.trace() / rows.square().sum(1).mean()) == pytest.approx(1, abs=0.05)


def curvlinops_of(operator, problem, samples):
    """The operator over the prunable weights and the same examples, on the problem's model."""
    model = problem._model.requires_grad_(True)
    weights = [model.get_parameter(name) for name in problem.weights]
    data = [problem.examples(samples)]
    loss = nn.CrossEntropyLoss()
    return operator(model, loss, weights, data, fisher_type="empirical", check_deterministic=False)


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_factors_equal_those_of_curvlinops(net) -> None:
    problem = tiny_problem(net())
    found = fisher_factors(problem.signals(SAMPLES))
    positions = {name: s.inputs.shape[2] for name, s in next(problem.signals(1)).items()}
    theirs = curvlinops_of(KFACLinearOperator, problem, SAMPLES)
    theirs.compute_kronecker_factors()
    for name, factors in found.items():
        module, T = name.removesuffix(".weight"), positions[name]
        close = {"rtol": 1e-10, "atol": 1e-12}
        torch.testing.assert_close(factors.input / T, theirs._input_covariances[module], **close)
        torch.testing.assert_close(
            factors.output * T, theirs._gradient_covariances[module], **close
        )


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_eigenvalue_corrected_blocks_equal_those_of_curvlinops(net) -> None:
    problem = tiny_problem(net())
    inverse = build("ekfac", {"samples": SAMPLES, "damping": 0.5}).inverse(problem)
    theirs = curvlinops_of(EKFACLinearOperator, problem, SAMPLES)
    identity = torch.eye(theirs.shape[1]).double()
    dense = torch.linalg.inv(theirs @ identity + 0.5 * identity).detach()
    torch.testing.assert_close(inverse.diagonal, dense.diagonal(), rtol=1e-8, atol=0)
    applied = torch.stack([inverse.product(row) for row in identity], dim=1)
    torch.testing.assert_close(applied, dense, rtol=1e-7, atol=1e-9)
