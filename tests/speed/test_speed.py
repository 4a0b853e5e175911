"""The speed benchmark: ratios of times and of memory in one run, each against plain torch."""

import copy
import functools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from support.oracles import woodfisher_recursion
from support.ratios import least_ratio
from support.tiny import PLENTY, TinyExamples
from torch import Tensor, nn

from bench.common.machine.measure import measured
from bench.jobs.budget import Meter
from bench.pairs.mlpnet import MLPNet
from bench.pairs.resnet_cifar import ResNet20
from bench.problem.calibration import Calibration
from bench.problem.gradients.per_example import DenseGradients, JoinedGradients
from bench.problem.problem import Problem, Target
from bench.problem.weights import flatten
from methods import build
from methods.chita import CHITA
from methods.combinatorial.feasible import Feasible
from methods.curvature.blocks import block_inverse
from methods.curvature.low_rank import LowRankInverse

pytestmark = pytest.mark.speed
CPU = torch.device("cpu")
SAMPLES = 1000


def problem(net: nn.Module, shape: tuple[int, ...], prunable: Callable[[str], bool]) -> Problem:
    """The net on random images: times don't depend on what is in them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(SAMPLES, *shape, generator=generator)
    labels = torch.randint(10, (SAMPLES,), generator=generator)
    layers = {
        f"{name}.weight": name
        for name, module in net.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and prunable(name)
    }
    net.eval().requires_grad_(False)
    target = Target(0.5, "global")
    calibration = Calibration(TinyExamples(images, labels), 0, Meter(PLENTY))
    return Problem(net, layers, calibration, target)


@pytest.fixture(scope="module")
def mlpnet() -> Problem:
    """32,360 weights."""
    return problem(MLPNet(), (1, 28, 28), lambda name: True)


@pytest.fixture(scope="module")
def resnet20() -> Problem:
    """The 267,264 weights of the 18 block convolutions."""
    return problem(ResNet20(), (3, 32, 32), lambda name: ".conv" in name)


@pytest.fixture(scope="module")
def gradients(resnet20: Problem) -> Tensor:
    return resnet20.gradients(SAMPLES)


@pytest.fixture
def compare(benchmark) -> Callable[..., float]:
    """Times two calls in turn and gives the least time of the first over that of the second."""
    return functools.partial(least_ratio, benchmark)


def test_woodfisher_m1000_on_mlpnet(benchmark, mlpnet) -> None:
    """Gradients, inverse, selection and update with m=1000 and the full matrix: under 2 s."""
    method = build("woodfisher", {"samples": SAMPLES})
    benchmark.pedantic(method.prune, args=(mlpnet,), rounds=5, warmup_rounds=1)
    assert benchmark.stats.stats.median < 2


def test_the_low_rank_form_against_the_recursion(compare, mlpnet) -> None:
    """m=100 on MLPNet: the d×d recursion, of which 2 updates are timed, takes 500 times longer."""
    rows = mlpnet.gradients_by_layer(100)
    ratio = compare(
        lambda: LowRankInverse(rows, 1e-5).diagonal,
        lambda: woodfisher_recursion(rows.dense()[:2], 1e-5),
        rounds=2,
    )
    assert ratio < 1 / 500 * 100 / 2


def test_everything_but_the_gradients(compare, gradients, resnet20) -> None:
    """Full matrix, ResNet-20, m=1000: at most 3 times a Gram product and a triangular solve."""
    method = build("woodfisher", {"samples": SAMPLES})
    sizes = [weight.numel() for weight in resnet20.weights.values()]
    factor = torch.eye(SAMPLES) * 2 + torch.ones(SAMPLES, SAMPLES).tril() / SAMPLES

    class Given(Problem):
        """The same problem with its gradients at hand."""

        def gradients_by_layer(self, *_: object, **__: object) -> JoinedGradients:
            return JoinedGradients(
                [DenseGradients(layer) for layer in gradients.split(sizes, dim=1)]
            )

    given = copy.copy(resnet20)
    given.__class__ = Given

    def plain() -> None:
        torch.mm(gradients, gradients.T)
        torch.linalg.solve_triangular(factor, gradients, upper=False)

    assert compare(lambda: method.prune(given), plain) < 3


def test_gradients_against_a_plain_backward_pass(compare, resnet20) -> None:
    """Per-example gradients of ResNet-20: at most 2.5 times one batched backward pass."""
    inputs, labels = resnet20.examples(SAMPLES)
    net = copy.deepcopy(resnet20._model)
    for name in resnet20.weights:
        net.get_parameter(name).requires_grad_(True)

    def plain() -> None:
        for some, their in zip(inputs.split(100), labels.split(100), strict=True):
            net.zero_grad()
            F.cross_entropy(net(some), their).backward()

    assert compare(lambda: resnet20.gradients(SAMPLES), plain) < 2.5


def test_peak_memory_of_woodfisher(benchmark, resnet20) -> None:
    """At most 2.5 times the m×d gradients, gradients included."""
    method = build("woodfisher", {"samples": SAMPLES})
    with measured(CPU) as cost:
        benchmark.pedantic(method.prune, args=(resnet20,), rounds=1)
    if cost.peak_bytes is None:
        pytest.skip("this platform has no resettable gauge of peak memory")
    size = sum(weight.numel() for weight in resnet20.weights.values())
    benchmark.extra_info["peak / gradients"] = ratio = cost.peak_bytes / (4 * SAMPLES * size)
    print(f"\npeak / gradients = {ratio:.3f}")
    assert 1 < ratio < 2.5


def test_chunks_are_cheaper_than_the_full_matrix(compare, gradients, resnet20) -> None:
    """Blocks of 128 weights against one block, diagonal and a product each."""
    sizes = [weight.numel() for weight in resnet20.weights.values()]
    rows = JoinedGradients([DenseGradients(layer) for layer in gradients.split(sizes, dim=1)])

    def inverse(blocks) -> Tensor:
        made = block_inverse(rows, 1e-5, blocks)
        return made.product(made.diagonal)

    assert compare(lambda: inverse(128), lambda: inverse("full"), rounds=2) < 1


def test_means_of_gradients_against_plain_passes(compare) -> None:
    """1,000 means of 16 on MLPNet: at most 3 times the passes without gradients of weights, and a
    matrix of the result's size being filled. Writing it takes as long as the passes."""
    mlpnet = problem(MLPNet(), (1, 28, 28), lambda name: True)
    inputs, labels = mlpnet.examples(SAMPLES)

    class Again(TinyExamples):
        """The same examples sixteen times over."""

        def __len__(self) -> int:
            return 16 * len(self.labels)

        def batch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
            return super().batch(positions % len(self.labels))

    mlpnet._calibration = Calibration(Again(inputs, labels), 0, Meter(PLENTY))

    def plain() -> None:
        inputs.new_zeros(SAMPLES, len(flatten(mlpnet.weights)))
        for _ in range(16):
            given = inputs.clone().requires_grad_()
            F.cross_entropy(mlpnet.model(given), labels).backward()

    assert compare(lambda: mlpnet.gradients(SAMPLES, batch=16), plain) < 3


def test_a_search_of_chita_against_its_products(compare, mlpnet) -> None:
    """One search at 95 %, m=1000: at most 4 times a kernel, a copy, and the steps' products."""
    gradients = DenseGradients(mlpnet.gradients(SAMPLES))
    given = copy.copy(mlpnet)
    given._target = Target(0.95, "global")
    method = build("chita", {"samples": SAMPLES})
    assert isinstance(method, CHITA)
    size = gradients.shape[1]
    weights, narrow = flatten(given.weights), gradients.matrix[:, : round(0.075 * size)].clone()

    def plain() -> None:
        gradients.matrix.any(0)
        whole = gradients.matrix.clone()
        exact = narrow[:, : round(0.05 * size)].double()
        torch.linalg.cholesky(exact @ exact.T + SAMPLES * torch.eye(SAMPLES, dtype=torch.double))
        for _ in range(method.rounds):
            for _ in range(method.steps):
                (narrow @ weights[: narrow.shape[1]]) @ narrow
            (whole @ weights) @ whole

    assert compare(lambda: method._found(given, Feasible(given), gradients), plain) < 4
