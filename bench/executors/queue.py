"""The order in which jobs are handed out: what shares stays together, what fits runs together."""

import math
import time
from collections import deque
from collections.abc import Hashable, Mapping, Sequence

from bench.executors.task import Task
from bench.jobs.job import Job
from methods import build

LATER = 0.5
"""Seconds until a job that another run is at is looked at again."""


def sharing(job: Job) -> Hashable:
    """Equal for jobs that ask for the same gradients, by what their methods say of themselves."""
    method = build(job.method, job.hyperparameters)
    return (job.pair, job.seed, method.gradients_wanted())


class Queue:
    """Jobs for some workers, each with a device; `capacity` is the free memory of each device.

    A worker takes the jobs of one group that share, then the next group, and helps with the largest
    where none is left. Jobs that together need more than is free don't run together: the first that
    doesn't fit holds back all others until it does, so it waits for no more than what runs. One
    that needs more than there is runs alone.
    """

    def __init__(
        self, tasks: Sequence[Task], workers: Sequence[str], capacity: Mapping[str, float]
    ) -> None:
        groups: dict[Hashable, deque[Task]] = {}
        for task in tasks:
            groups.setdefault(sharing(task.entry.job), deque()).append(task)
        self._groups = deque(groups.values())
        self._own: list[deque[Task]] = [deque() for _ in workers]
        self._workers, self._capacity = workers, capacity
        self._running: dict[Task, str] = {}
        self._held: Task | None = None
        self._later: deque[tuple[float, Task]] = deque()

    def __bool__(self) -> bool:
        """Whether jobs are left that have not been taken."""
        return bool(self._held or self._later or self._groups or any(self._own))

    def take(self, worker: int) -> Task | None:
        """The next job for this worker, or None where none may start now."""
        task = self._held or self._next(worker)
        if task is None:
            return None
        device = self._workers[worker]
        if not self._fits(task, device):
            self._held = task
            return None
        self._held = None
        self._running[task] = device
        return task

    def done(self, task: Task) -> None:
        """The job runs no more: its memory is free."""
        del self._running[task]

    def put_off(self, task: Task) -> None:
        """Another run is at this job: look again when it may have recorded it."""
        self.done(task)
        self._later.append((time.monotonic() + LATER, task))

    def alone(self, task: Task) -> None:
        """The job's process died, for want of memory perhaps: again at the end, by itself."""
        self.done(task)
        task.need = math.inf
        self._later.append((0.0, task))

    def _fits(self, task: Task, device: str) -> bool:
        if math.isinf(task.need) or any(math.isinf(other.need) for other in self._running):
            return not self._running
        used = [other.need for other, there in self._running.items() if there == device]
        return not used or sum(used) + task.need <= self._capacity[device]

    def _next(self, worker: int) -> Task | None:
        own = self._own[worker]
        if not own and self._groups:
            own.extend(self._groups.popleft())
        if own:
            return own.popleft()
        largest = max(self._own, key=len)
        if largest:
            return largest.pop()
        if self._later and self._later[0][0] <= time.monotonic():
            return self._later.popleft()[1]
        return None
