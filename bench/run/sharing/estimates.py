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
from bench.problem.cache import Reuse
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
    ready = _found(method, problem, reuse, clock) or _made(method, problem, reuse, clock)
    with measured(clock.device) as applying:
        weights = ready.method.apply(problem, ready.value)
    seconds = ready.seconds + applying.seconds + reuse.seconds - before
    if applying.peak_bytes is None:
        return Pruned(weights, seconds, None)
    held = max(0, applying.base_bytes - ready.base_bytes) if ready.size is None else ready.size
    return Pruned(weights, seconds, max(ready.peak_bytes, held + applying.peak_bytes))


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
class _Ready:
    """An estimate to be applied by `method`, which has whatever making it has left in it.

    `seconds` are those that passed now. `peak_bytes` is the rise of memory while it was made,
    `size` what it takes where that is known, and otherwise `base_bytes` the memory in use before.
    """

    method: Method
    value: Any
    peak_bytes: int
    seconds: float = 0.0
    base_bytes: int = 0
    size: int | None = None


def _made(method: Method, problem: Problem, reuse: Reuse, clock: Stopwatch) -> _Ready:
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
    return _Ready(watched.method, value, cost.peak_bytes, passed.seconds, passed.base_bytes)


def _found(method: Method, problem: Problem, reuse: Reuse, clock: Stopwatch) -> _Ready | None:
    """Return the kept estimate that this method would make, charged to its job, or None."""
    for read, seeded in sorted(reuse.cache.known.get(_family(method, problem, reuse), ())):
        request = _request(method, problem, read, seeded)
        kept = None if request is None else reuse.find(request, problem.calibration, clock)
        if kept is not None:
            return _Ready(method, kept.value, kept.cost.peak_bytes, size=kept.size)
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
