"""One estimate serves every job that differs in its target only.

What a method learns of the dense model before it is told a sparsity takes most of its time. Jobs of
one process get the same estimate if theirs must be equal to it: nothing that went into it differs.
What went in is watched, not declared, so that no method can forget to say something:

- The fields of the method that were read. Others, such as the kind of update, may differ.
- Whether calibration data or random numbers were asked for. If so, the seeds must be equal.
- Whether the target was looked at. Such an estimate isn't kept.

The jobs are charged in full, and the results are those of separate runs, to the bit.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from bench.common.machine.measure import measured
from bench.problem.cache import Kept, Reuse
from bench.problem.contents import PLAIN
from bench.problem.problem import Problem
from bench.problem.stopwatch import Stopwatch
from bench.problem.weights import Weights
from bench.run.sharing.watched import Watched
from methods.method import Method


@dataclass(frozen=True)
class Pruned:
    """The weights that a method returned, and the seconds and bytes it takes when it runs alone."""

    weights: Weights
    seconds: float
    peak_bytes: int | None


def prune(method: Method, problem: Problem, clock: Stopwatch) -> Pruned:
    """Let the method prune, with an estimate made for another job if there is the right one."""
    reuse = problem.reuse
    if reuse is None or not method.splits:
        return _in_one(method, problem, clock)
    before = reuse.seconds
    kept = _find(method, problem, reuse, clock)
    made = _made(method, problem, reuse, clock) if kept is None else None
    with measured(clock.device) as applying:
        if made is not None:
            weights = made.method.apply(problem, made.value)
        else:
            assert kept is not None, "an estimate is found or made"
            weights = method.apply(problem, kept.value)
    seconds = applying.seconds + reuse.seconds - before + (made.seconds if made else 0.0)
    if applying.peak_bytes is None:
        return Pruned(weights, seconds, None)
    if made is not None:
        peak, held = made.peak_bytes, max(0, applying.base_bytes - made.base_bytes)
    else:
        assert kept is not None, "an estimate is found or made"
        peak, held = kept.cost.peak_bytes, kept.size
    return Pruned(weights, seconds, max(peak, held + applying.peak_bytes))


def _in_one(method: Method, problem: Problem, clock: Stopwatch) -> Pruned:
    """Let the method prune by itself; only its gradients may be those of another job."""
    reuse = problem.reuse
    seconds, size = (reuse.seconds, reuse.size) if reuse else (0.0, 0)
    with measured(clock.device) as cost:
        weights = method.prune(problem)
    if reuse is not None:
        seconds, size = reuse.seconds - seconds, reuse.size - size
    peak = None if cost.peak_bytes is None else cost.peak_bytes + size
    return Pruned(weights, cost.seconds + seconds, peak)


@dataclass(frozen=True)
class _Made:
    """A new estimate; `method` is a copy that has whatever making it has left in it.

    `seconds` are those that passed, `base_bytes` the memory in use before it.
    """

    method: Method
    value: Any
    seconds: float
    peak_bytes: int
    base_bytes: int


def _made(method: Method, problem: Problem, reuse: Reuse, clock: Stopwatch) -> _Made:
    """Return a new estimate, which is kept for other jobs if it can be."""
    watched, spared, calibration = Watched(method), reuse.size, problem.calibration
    with measured(clock.device) as passed, reuse.costing(calibration, clock) as cost:
        value = watched.method.estimate(problem)
    cost.peak_bytes = (passed.peak_bytes or 0) + reuse.size - spared
    if not (watched.changed or problem.knows_target):
        read = tuple(sorted(watched.read))
        seeded = calibration.used or calibration.drew
        request = _request(method, problem, read, seeded)
        if request is not None:
            reuse.cache.known.setdefault(_family(method, problem, reuse), set()).add((read, seeded))
            reuse.keep(request, value, cost)
    return _Made(watched.method, value, passed.seconds, cost.peak_bytes, passed.base_bytes)


def _find(method: Method, problem: Problem, reuse: Reuse, clock: Stopwatch) -> Kept | None:
    """Return the kept estimate that this method would make, charged to its job, or None."""
    for read, seeded in sorted(reuse.cache.known.get(_family(method, problem, reuse), ())):
        request = _request(method, problem, read, seeded)
        kept = None if request is None else reuse.find(request, problem.calibration, clock)
        if kept is not None:
            return kept
    return None


def _family(method: Method, problem: Problem, reuse: Reuse) -> Hashable:
    """Return the key under which it is known which fields the estimates of a class read."""
    return reuse.owner, type(method), problem.limits


def _request(
    method: Method, problem: Problem, read: tuple[str, ...], seeded: bool
) -> Hashable | None:
    """Return what went into an estimate; None if it can't be compared for certain."""
    values = tuple(getattr(method, name) for name in read)
    if any(type(value) not in PLAIN for value in values):
        return None
    named = tuple((name, type(value), value) for name, value in zip(read, values, strict=True))
    seed = problem.calibration.seed if seeded else None
    return "estimate", type(method), problem.limits, named, seed
