"""Every one-shot method on depthwise-separable convolutions, with exact counts."""

import copy

import pytest
import torch
from support.few import PRUNING, small
from support.tiny import PLENTY, TinyExamples
from torch import nn

from bench.jobs.allocation import Allocation
from bench.jobs.budget import Meter
from bench.pairs import PAIRS, mobilenetv1
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target
from bench.run.contract import check_weights, untouched


def problem_of(net: nn.Module, side: int, rule: str, allocation: Allocation) -> Problem:
    """The network with batch statistics as after training, on small random images."""
    draw = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=draw)
            module.running_var.uniform_(0.5, 1.5, generator=draw)
    images = torch.randn(24, 3, side, side, generator=draw)
    labels = torch.randint(5, (24,), generator=draw)
    calibration = Calibration(TinyExamples(images, labels), 0, Meter(PLENTY))
    net.eval().requires_grad_(False)
    names = [name for name, parameter in net.named_parameters() if parameter.dim() > 1]
    prunable = {name: name.rpartition(".")[0] for name in names}
    assert set(prunable) == set(PAIRS[rule].prunable_parameters(net)) if rule else True
    return Problem(net, prunable, calibration, Target(0.6, allocation))


def prunes(name: str, problem: Problem) -> None:
    """The method removes exactly what it is asked to and leaves the dense model alone."""
    with untouched(problem.model, copy.deepcopy(problem.model)):
        found = small(name).prune(problem)
    check_weights(found, problem.weights, problem.target)


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_a_separable_block_is_pruned_by_every_method(name, allocation) -> None:
    torch.manual_seed(0)
    stem = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
    block = mobilenetv1.Separable(4, 6, stride=2)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))
    prunes(name, problem_of(nn.Sequential(stem, nn.ReLU6(), block, *head), 8, "", allocation))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRUNING)
def test_a_narrow_mobilenetv1_is_pruned_by_every_method(name, monkeypatch) -> None:
    """All 28 layers, with an eighth of the channels after the first convolution."""
    narrow = tuple(tuple(channels // 8 for channels in stage) for stage in mobilenetv1.STAGES)
    monkeypatch.setattr(mobilenetv1, "STAGES", narrow)
    torch.manual_seed(0)
    net = mobilenetv1.MobileNetV1(classes=5)
    prunes(name, problem_of(net, 64, "mobilenetv1-imagenet", "global"))
