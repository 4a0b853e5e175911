"""A method's seconds fall into phases that don't overlap."""

import itertools

import pytest
import torch
from support.few import PRUNING, small
from support.grids import run, study
from support.tiny import PLENTY

from bench.jobs.budget import Meter
from bench.jobs.findings import PHASES
from bench.problem import stopwatch
from bench.problem.calibration import Calibration
from bench.problem.passes import Settings
from bench.problem.problem import Problem, Target
from bench.problem.stopwatch import Stopwatch


@pytest.fixture
def ticking(monkeypatch) -> Stopwatch:
    """A stopwatch of a clock that is a second further at each look."""
    seconds = itertools.count()
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: float(next(seconds)))
    return Stopwatch(torch.device("cpu"))


def test_an_inner_phase_counts_alone(ticking) -> None:
    with ticking.phase("inverse"):
        with ticking.phase("gradients"):
            pass
        with ticking.phase("gradients"):
            pass
    assert ticking.seconds == {"gradients": 2, "inverse": 3, "selection": 0, "update": 0}


def test_what_lies_between_phases_counts_nowhere(ticking) -> None:
    with ticking.phase("selection"):
        pass
    with ticking.phase("selection"):
        pass
    assert sum(ticking.seconds.values()) == 2


def test_an_exception_ends_its_phase(ticking) -> None:
    with pytest.raises(KeyError), ticking.phase("update"), ticking.phase("inverse"):
        raise KeyError
    with ticking.phase("selection"):
        pass
    assert ticking.seconds["selection"] == 1


@pytest.mark.parametrize("name", sorted(PRUNING))
def test_every_method_says_what_it_is_doing(name, pairs) -> None:
    (dense,) = pairs.values()
    target, watch = Target(0.9, "layerwise"), Stopwatch(dense.device)
    calibration, settings = Calibration(dense.train, 3, Meter(PLENTY)), Settings(stopwatch=watch)
    problem = Problem(dense.model, dense.prunable, calibration, target, settings)
    method = small(name)
    method.prune(problem)
    assert watch.seconds["selection"] > 0
    assert (watch.seconds["gradients"] > 0) == problem.used_data


def test_the_record_divides_its_seconds(tmp_path, pairs) -> None:
    grid = study({"magnitude": {}, "woodfisher": {"samples": 50}}, 1, (0.8, 0.9))
    records = run(grid, tmp_path, pairs).values()
    for record in records:
        assert tuple(record.phase_seconds) == PHASES
        assert 0 < sum(record.phase_seconds.values()) <= record.prune_seconds
        used = record.spent.calibration_examples > 0
        assert (record.phase_seconds["gradients"] > 0) == used
    shared = [record for record in records if record.reused_seconds]
    assert shared
    for record in shared:
        assert record.reused_seconds < record.prune_seconds
        if record.spent.backward_passes:  # phases that another job went through count as its own
            assert min(record.phase_seconds["gradients"], record.phase_seconds["inverse"]) > 0
