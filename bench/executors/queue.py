"""Orders jobs for the workers, so that jobs share estimates and fit into memory together."""

import math
import time
from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence

from bench.executors.task import Task
from bench.jobs.job import Job, canonical_json
from methods import build

LATER = 0.5
"""Seconds until a job that another run has claimed is tried again."""


def sharing(job: Job) -> Hashable:
    """Return a value that is equal for jobs which one process should run, since they share most.

    They ask for the same gradients, or have the same method: then they share its estimate if their
    seeds are equal, and the evaluation of the same weights if the method isn't random.
    """
    wanted = build(job.method, job.hyperparameters).gradients_wanted()
    return job.pair, _method(job) if wanted is None else (job.seed, wanted)


def in_order(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks of a group in an order in which those that share an estimate are adjacent.

    An estimate has to be kept only until the next one is made.
    """

    def place(task: Task) -> tuple[int, int]:
        return methods[_method(task.cell.job)], task.cell.job.seed

    tasks = list(tasks)
    methods: dict[Hashable, int] = {}
    for task in tasks:
        methods.setdefault(_method(task.cell.job), len(methods))
    return sorted(tasks, key=place)


def _method(job: Job) -> Hashable:
    return job.method, canonical_json(job.hyperparameters)


class Queue:
    """Jobs for several workers, each with a device; `capacity` is the free memory of each device.

    A worker takes the jobs of one group (see `sharing`), then those of the next group. If no
    group is left, it takes jobs from the worker with the most left. Jobs that together need more
    memory than is free don't run at the same time: the first that doesn't fit holds back all others
    until it fits, so that it waits only for jobs that are running. A job that needs more than there
    is runs alone on its device.
    """

    def __init__(
        self, tasks: Sequence[Task], workers: Sequence[str], capacity: Mapping[str, float]
    ) -> None:
        groups: dict[Hashable, list[Task]] = {}
        for task in tasks:
            groups.setdefault(sharing(task.cell.job), []).append(task)
        self._groups = deque(deque(in_order(group)) for group in groups.values())
        self._own: list[deque[Task]] = [deque() for _ in workers]
        self._workers, self._capacity = workers, capacity
        self._running: dict[Task, str] = {}
        self._held: Task | None = None
        self._later: deque[tuple[float, Task]] = deque()

    def __bool__(self) -> bool:
        """Return whether any jobs haven't been taken yet."""
        return bool(self._held or self._later or self._groups or any(self._own))

    def take(self, worker: int) -> Task | None:
        """Return the next job for this worker, or None if none may start now."""
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
        """Note that the job has ended: its memory is free."""
        del self._running[task]

    def put_off(self, task: Task) -> None:
        """Postpone a job that another run has claimed, until that run may have recorded it."""
        self.done(task)
        self._later.append((time.monotonic() + LATER, task))

    def alone(self, task: Task) -> None:
        """Postpone a job whose process died to the end, to run with no other job beside it.

        The process may have died for lack of memory.
        """
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
