"""Shared gradients change no bit and no charge, and are never had at other weights."""

import torch
from support.few import PRUNING, small
from support.grids import run, study
from support.tiny import PLENTY

from bench.jobs.budget import Meter
from bench.problem.cache import Cache, Reuse
from bench.problem.calibration import Calibration
from bench.problem.passes import Settings
from bench.problem.problem import Problem, Target
from bench.problem.weights import flatten


def problem(dense, reuse: Reuse | None = None) -> Problem:
    calibration = Calibration(dense.train, 3, Meter(PLENTY))
    target = Target(0.9, "layerwise")
    return Problem(dense.model, dense.prunable, calibration, target, Settings(reuse=reuse))


def test_every_method_gives_the_same_bits_for_the_same_charge(pairs) -> None:
    (dense,) = pairs.values()
    cache, used = Cache(2**30), set()
    for name in PRUNING:
        if name in ("obc", "l-obs"):  # slow here, and they use layer inputs alone
            continue
        alone = problem(dense)
        expected = small(name).prune(alone)
        for _ in range(2):
            reuse = Reuse(cache, dense)
            ours = problem(dense, reuse)
            found = small(name).prune(ours)
            assert torch.equal(flatten(found), flatten(expected)), name
            assert ours._meter.spent == alone._meter.spent, name
            assert ours.used_data == alone.used_data, name
        if reuse.seconds:
            used.add(name)
    assert {"woodfisher", "woodtaylor", "cbs", "chita"} <= used


def test_nothing_is_shared_at_other_weights(pairs) -> None:
    (dense,) = pairs.values()
    reuse = Reuse(Cache(2**30), dense)
    ours, alone = problem(dense, reuse), problem(dense)
    ours.gradients(5)
    moved = {name: weight * 0.5 for name, weight in ours.weights.items()}
    support = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in moved.items()}
    found = ours.at(moved, support).gradients(5)
    assert torch.equal(found, alone.at(moved, support).gradients(5))
    assert not torch.equal(found, alone.gradients(5))
    assert reuse.seconds == 0


def test_what_somebody_wrote_to_is_computed_anew(pairs) -> None:
    (dense,) = pairs.values()
    reuse = Reuse(Cache(2**30), dense)
    expected = problem(dense).gradients(5)
    for _ in range(2):
        found = problem(dense, reuse).gradients(5)
        assert torch.equal(found, expected)
        found[0].zero_()
    assert reuse.seconds == 0


def test_requests_that_differ_do_not_share_and_memory_is_bounded(pairs) -> None:
    (dense,) = pairs.values()
    size = problem(dense).gradients(5).nbytes
    reuse = Reuse(Cache(2 * size), dense)
    for fields in ({}, {"batch": 2}, {"fisher": "true"}, {"skip": 5}):
        problem(dense, reuse).gradients(5, **fields)
        assert reuse.cache.size <= 2 * size
    assert reuse.seconds == 0
    problem(dense, reuse).gradients(5, skip=5)
    assert reuse.seconds > 0 and reuse.size == size


def test_a_record_says_what_the_method_takes_alone(pairs, tmp_path) -> None:
    grid = study({"woodfisher": {"samples": 50}}, 1, (0.5, 0.7, 0.9))
    first, *later = run(grid, tmp_path, pairs).values()
    assert first.reused_seconds is None
    for record in later:
        assert 0 < record.reused_seconds < record.prune_seconds
        assert record.spent == first.spent
