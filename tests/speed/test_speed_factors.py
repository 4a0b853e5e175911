"""The speed of Kronecker factors: against bare products of the same shapes in single precision."""

import time

import pytest
import torch
from support.ratios import least_ratio
from support.tiny import PLENTY, TinyExamples
from torch import Tensor, nn

from bench.jobs.budget import Meter
from bench.pairs.resnet_cifar import ResNet20
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target
from methods.curvature.factors import Factors, Moments, fisher_factors

pytestmark = pytest.mark.speed
SAMPLES = 200


@pytest.fixture(autouse=True)
def one_thread():
    """Ratios on one thread don't depend on what else the machine does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def resnet20() -> Problem:
    """The 18 block convolutions of ResNet-20 on random images."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(SAMPLES, 3, 32, 32, generator=draw)
    labels = torch.randint(10, (SAMPLES,), generator=draw)
    net = ResNet20().eval().requires_grad_(False)
    layers = {
        f"{name}.weight": name
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and ".conv" in name
    }
    calibration = Calibration(TinyExamples(images, labels), 0, Meter(PLENTY))
    return Problem(net, layers, calibration, Target(0.5, "global"))


def products(columns: Tensor) -> None:
    """The product of one example's columns at a time, kept nowhere."""
    for example in columns:
        torch.mm(example, example.T)


def test_the_factors_of_lobs(benchmark, resnet20) -> None:
    """At most 1.5 times the forward passes, the unfolding and the products."""

    def ours() -> dict[str, Tensor]:
        moments = Moments()
        for columns in resnet20.inputs(SAMPLES):
            moments.add(columns)
        return moments.means

    def plain() -> None:
        for chunk in resnet20.inputs(SAMPLES):
            for columns in chunk.values():
                products(columns)

    assert least_ratio(benchmark, ours, plain, clock=time.process_time) < 1.5


def test_the_factors_of_kfac(benchmark, resnet20) -> None:
    """At most 1.5 times the forward and backward passes, the unfolding and the products."""

    def plain() -> None:
        for chunk in resnet20.signals(SAMPLES):
            for signal in chunk.values():
                products(signal.inputs)
                products(signal.output_gradients)

    def ours() -> dict[str, Factors]:
        return fisher_factors(resnet20.signals(SAMPLES))

    assert least_ratio(benchmark, ours, plain, clock=time.process_time) < 1.5
