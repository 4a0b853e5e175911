"""A cache of what was computed of a dense model, shared by the jobs that one process runs.

Two jobs of the same pair that ask for the same gradients get the same numbers, so one computation
serves both; the same holds for estimates of curvature and for evaluations of equal models. A job
that is given a kept result is charged as if it had computed it, and the seconds and bytes that it
was spared are added back to its findings, so that no record depends on which job came first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.common.machine.yardstick import synchronise
from bench.jobs.budget import Charge
from bench.jobs.findings import Phase
from bench.problem.calibration import Calibration
from bench.problem.contents import Contents, contents
from bench.problem.stopwatch import Stopwatch

T = TypeVar("T")


@dataclass
class Cost:
    """What computing a result took: all that a job which is spared it has to be told.

    `seconds` are the wall-clock time, `phases` their division, `peak_bytes` the rise of memory
    where it was measured; `used_data` is whether calibration examples were asked for.
    """

    charges: list[Charge] = field(default_factory=list)
    phases: dict[Phase, float] = field(default_factory=dict)
    seconds: float = 0.0
    used_data: bool = False
    peak_bytes: int = 0


@dataclass
class Kept:
    """A cached result, what it holds, and what computing it cost."""

    value: Any
    contents: Contents
    cost: Cost

    @property
    def whole(self) -> bool:
        """True if nothing in the result was changed since it was cached."""
        now = contents(self.value)
        return now is not None and now.description == self.contents.description

    @property
    def size(self) -> int:
        """The bytes of memory that the result's tensors lie in."""
        return sum(self.contents.storages.values())


class Cache:
    """A least-recently-used cache of results by their request, at most `limit` bytes in all.

    Memory that several results share, such as gradients and the curvature made of them, counts
    once. `known` is what its users note for themselves about requests.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.known: dict[Hashable, set[Any]] = {}
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    @property
    def size(self) -> int:
        """The number of bytes that the cached results take."""
        shared: dict[int, int] = {}
        for kept in self._kept.values():
            shared |= kept.contents.storages
        return sum(shared.values())

    def find(self, key: Hashable) -> Kept | None:
        """Return the result cached under this key, or None.

        A result that was changed in the meantime is dropped from the cache.
        """
        kept = self._kept.get(key)
        if kept is not None and not kept.whole:
            del self._kept[key]
            return None
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def keep(self, key: Hashable, value: Any, cost: Cost) -> None:
        """Cache a result, dropping the least recently used ones beyond the limit.

        A result larger than the limit isn't cached, nor is one whose contents aren't known: it may
        compute something itself, as gradients do that are recomputed on each use.
        """
        found = contents(value)
        if found is None or sum(found.storages.values()) > self._limit:
            return
        self._kept[key] = Kept(value, found, cost)
        while self.size > self._limit:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Drop every cached result, to free memory."""
        self._kept.clear()


@dataclass
class Reuse:
    """One job's access to a cache, for results about the model that the key `owner` stands for.

    `seconds` and `size` (bytes) are the computing time and the memory that the job has been spared
    so far.
    """

    cache: Cache
    owner: Hashable
    seconds: float = 0.0
    size: int = 0

    def find(self, request: Hashable, calibration: Calibration, clock: Stopwatch) -> Kept | None:
        """Return what was kept for this request, or None.

        The job is charged as if it had computed the result, and its seconds are added to the
        phases.
        """
        kept = self.cache.find((self.owner, request))
        if kept is None:
            return None
        calibration.meter.repeat(kept.cost.charges)
        calibration.used |= kept.cost.used_data
        for phase, seconds in kept.cost.phases.items():
            clock.add(phase, seconds)
        self.seconds += kept.cost.seconds
        self.size += kept.size
        return kept

    def keep(self, request: Hashable, value: Any, cost: Cost) -> None:
        """Keep a result for other jobs."""
        self.cache.keep((self.owner, request), value, cost)

    def result(
        self,
        request: Hashable,
        compute: Callable[[], T],
        calibration: Calibration,
        clock: Stopwatch,
    ) -> T:
        """Return the kept result of this request, or compute it and keep it."""
        kept = self.find(request, calibration, clock)
        if kept is not None:
            value: T = kept.value
            return value
        with self.costing(calibration, clock) as cost:
            value = compute()
        self.keep(request, value, cost)
        return value

    @contextmanager
    def costing(self, calibration: Calibration, clock: Stopwatch) -> Iterator[Cost]:
        """Yield what the `with` block costs, filled in when it ends.

        What the block itself was spared counts as spent.
        """
        cost, spared, used = Cost(), self.seconds, calibration.used
        calibration.used = False
        synchronise(clock.device)
        before, start = clock.so_far(), time.perf_counter()
        with calibration.meter.noted() as cost.charges:
            try:
                yield cost
            finally:
                cost.used_data = calibration.used
                calibration.used |= used
        synchronise(clock.device)
        cost.seconds = time.perf_counter() - start + self.seconds - spared
        after = clock.so_far()
        cost.phases = {phase: after[phase] - before[phase] for phase in after}
