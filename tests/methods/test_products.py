"""Factors from signals in single precision, against the same products in double."""

import pytest
import torch
import torch.nn.functional as F
from support.tiny import tiny_conv, tiny_mlp, tiny_problem
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.problem.gradients.signal import Signal, Use
from methods import build
from methods.curvature import products
from methods.curvature.factors import Factors, Moments, fisher_factors
from methods.curvature.kronecker import DiagonalInverse
from methods.curvature.products import add_products
from methods.ekfac import second_moments

TOLERANCE = 1e-6
"""Of factors, in Frobenius norm. 2,048 terms added one by one in single precision are off by up to
6e-8 × √2048 = 3e-6 of their sum; products add them in several partial sums."""

SHAPES = {
    "linear, one position": (nn.Linear(784, 40), (50, 784)),
    "linear, one position, many examples": (nn.Linear(30, 40), (300, 30)),
    "linear on a sequence": (nn.Linear(48, 32), (20, 60, 48)),
    "linear on a short sequence": (nn.Linear(96, 8), (10, 3, 96)),
    "stride and padding": (nn.Conv2d(3, 8, 3, stride=2, padding=1), (50, 3, 32, 32)),
    "dilation, uneven": (nn.Conv2d(3, 8, (3, 2), (1, 2), (0, 1), (2, 1)), (9, 3, 20, 17)),
    "side above positions": (nn.Conv2d(40, 24, 3, padding=1), (20, 40, 6, 6)),
    "positions above side": (nn.Conv2d(3, 16, 3, padding=1), (10, 3, 60, 60)),
}


def signal(label: str, dtype: torch.dtype = torch.float32, like: str = "contiguous") -> Signal:
    """Inputs that aren't negative, as after a ReLU, so that all errors of sums have one sign."""
    module, shape = SHAPES[label]
    draw = torch.Generator().manual_seed(0)
    given = torch.randn(shape, generator=draw).relu()
    delta = torch.randn(module(given).shape, generator=draw) * 1e-3
    if like == "channels last" and given.dim() == 4:
        given, delta = (t.contiguous(memory_format=torch.channels_last) for t in (given, delta))
    return Signal((Use(module, given.to(dtype), delta.to(dtype)),))


def oracle(columns: Tensor) -> Tensor:
    rows = columns.double().transpose(1, 2).flatten(0, 1)
    return rows.T @ rows


def unfolded(use: Use) -> Tensor:
    """A layer's columns by torch's own unfold."""
    module, given = use.module, use.given
    if isinstance(module, nn.Conv2d):
        options = module.kernel_size, module.dilation, module.padding, module.stride
        return F.unfold(given, *options)
    return given.flatten(1, -2).mT if given.dim() > 2 else given.unsqueeze(2)


def distance(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("like", ["contiguous", "channels last"])
@pytest.mark.parametrize("label", SHAPES)
def test_factors_are_those_of_double(label, like) -> None:
    chunks = [signal(label, like=like), signal(label, like=like)]
    found = fisher_factors({"layer": chunk} for chunk in chunks)["layer"]
    use = chunks[0].uses[0]
    examples, positions = len(use.given), use.output_gradients.shape[2]
    A, S = oracle(unfolded(use)), oracle(use.output_gradients)
    assert found.input.dtype == found.output.dtype == torch.float64
    assert distance(found.input, A / examples) < TOLERANCE
    assert distance(found.output, S / examples / positions) < TOLERANCE


@pytest.mark.parametrize("label", SHAPES)
def test_double_stays_double(label) -> None:
    """Columns that single precision can't hold: 1 and 2⁻⁴⁰."""
    given = signal(label, torch.float64).inputs + 2.0**-40
    total = torch.zeros(given.shape[1], given.shape[1], dtype=torch.float64)
    add_products(total, given)
    assert distance(total, oracle(given)) < 1e-13


def test_few_positions_are_multiplied_in_double() -> None:
    """A singular matrix of a linear layer has no error that its damping would have to cover."""
    given = signal("linear, one position").inputs
    total = torch.zeros(784, 784, dtype=torch.float64)
    add_products(total, given)
    assert distance(total, oracle(given)) < 1e-13


def test_the_product_is_in_single_precision_where_there_are_many(monkeypatch) -> None:
    given = signal("stride and padding").inputs
    seen = []
    own = products._accumulate
    monkeypatch.setattr(
        products, "_accumulate", lambda total, x: (seen.append(x.dtype), own(total, x))
    )
    add_products(torch.zeros(27, 27, dtype=torch.float64), given)
    assert seen == [torch.float32]


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e25, 1e37])
@pytest.mark.parametrize("label", ["linear, one position", "stride and padding"])
def test_squares_beyond_single_precision_are_right(label, scale) -> None:
    given = signal(label).inputs * scale
    moments = Moments()
    moments.add({"layer": given})
    assert distance(moments.means["layer"], oracle(given) / len(given)) < TOLERANCE


def test_a_chunk_of_zeros_adds_nothing() -> None:
    moments = Moments()
    moments.add({"layer": torch.zeros(5, 3, 100)})
    assert torch.equal(moments.means["layer"], torch.zeros(3, 3, dtype=torch.float64))


@pytest.mark.parametrize("positions", [1, 100])
def test_an_overflow_of_double_is_said(positions) -> None:
    moments = Moments()
    moments.add({"fc.weight": torch.full((5, 3, positions), 1e200, dtype=torch.float64)})
    with pytest.raises(MethodError, match=r"moments of the layer of fc\.weight overflow"):
        _ = moments.means


def bases(label: str) -> Factors:
    factors = fisher_factors([{"layer": signal(label)}])["layer"]
    return Factors(
        *(torch.linalg.eigh(side).eigenvectors for side in (factors.output, factors.input))
    )


@pytest.mark.parametrize("scale", [1, 1e-16, 1e16])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("label", SHAPES)
def test_eigenvalues_are_those_of_double(label, whole, scale) -> None:
    """Entries far below ‖G‖² are known to the precision in which G is turned, 1e-6 of ‖G‖."""
    basis, given = bases(label), signal(label)
    use = Use(given.module, given.uses[0].given * scale, given.uses[0].delta)
    given = Signal((use,))
    G = use.output_gradients.double() @ unfolded(use).double().mT
    exact = (basis.output.T @ G @ basis.input).square().sum(0)
    chunk = G.float() if whole else given
    found = second_moments(basis, [chunk, chunk]) / 2
    assert found.dtype == torch.float64
    size = G.square().sum()
    assert bool(((found - exact).abs() <= 2e-6 * (exact * size).sqrt() + 1e-12 * size).all())
    assert distance(found, exact) < 1e-6


def test_eigenvalues_that_overflow_are_said() -> None:
    basis = Factors(torch.eye(2).double(), torch.eye(3).double())
    with pytest.raises(MethodError, match="squares of gradients overflow"):
        second_moments(basis, [torch.full((4, 2, 3), 1e200, dtype=torch.float64)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["kfac", "ekfac", "l-obs", "obc"])
@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_scores_in_single_are_those_of_double(name, net, dtype) -> None:
    """Every score to 1e-3: H⁻¹ multiplies the rounding of signals by the condition of H."""
    single = tiny_problem(net(), dtype=dtype)
    double = tiny_problem(net())
    for layer, weight in double.weights.items():
        weight.copy_(single.weights[layer])
    method = build(name, {"samples": 30, "damping": 1e-3})
    scores = method.scores(double)
    for layer, found in method.scores(single).items():
        torch.testing.assert_close(found.double(), scores[layer], rtol=1e-3, atol=0)


@pytest.mark.parametrize("value", [0.0, float("inf"), 1e-39])
def test_a_diagonal_that_its_type_cannot_hold_is_said(value) -> None:
    with pytest.raises(MethodError, match=r"leaves the range of torch\.float32"):
        DiagonalInverse(1 / torch.tensor([1.0, value]))


@pytest.mark.parametrize("name", ["kfac", "l-obs", "obd"])
def test_signals_too_large_for_the_scores_are_refused(name) -> None:
    problem = tiny_problem(tiny_mlp(), dtype=torch.float32)
    problem._calibration._examples.inputs *= 1e30
    with pytest.raises(MethodError, match="leaves the range|overflow"):
        build(name, {"samples": 20}).scores(problem)
