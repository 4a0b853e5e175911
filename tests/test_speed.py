"""The speed benchmark: ratios of times measured in one run, on real data."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oracles import woodfisher_recursion

import datasets
from bench.budget import Budget, Meter
from bench.dense import prepare
from bench.pairs import PAIRS
from bench.problem import Problem, Target
from methods import build
from methods.curvature.low_rank import LowRankInverse

pytestmark = pytest.mark.speed
CPU = torch.device("cpu")
PLENTY = Budget(calibration_examples=10**6, backward_passes=10**6)


def seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """The least wall time of some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.fixture(scope="module")
def mlpnet() -> Problem:
    """The suite's own MLPNet on mnist5k: 32,360 weights, as in the published pair."""
    assert datasets.available("mnist5k")
    dense = prepare(PAIRS["mlpnet-mnist5k"], CPU)
    target = Target(0.95, "global")
    return Problem(dense.model, dense.prunable, dense.train, target, 0, Meter(PLENTY))


def test_woodfisher_m1000_on_mlpnet(benchmark, mlpnet) -> None:
    """Gradients, inverse, selection and update with m=1000 and the full matrix: under 2 s."""
    method = build("woodfisher", {"samples": 1000})
    benchmark.pedantic(method.prune, args=(mlpnet,), rounds=5, warmup_rounds=1)
    assert benchmark.stats.stats.median < 2


def test_the_low_rank_form_against_the_recursion(benchmark, mlpnet) -> None:
    """m=100 on MLPNet: the d×d recursion, of which 2 updates are timed, takes 500 times longer."""
    gradients = mlpnet.gradients(100)
    updates = 2
    slow = seconds(lambda: woodfisher_recursion(gradients[:updates], 1e-5), repeats=1) / updates
    benchmark.pedantic(lambda: LowRankInverse(gradients, 1e-5).diagonal, rounds=5, warmup_rounds=1)
    ratio = 100 * slow / benchmark.stats.stats.median
    benchmark.extra_info["recursion / low rank"] = ratio
    assert ratio > 500
