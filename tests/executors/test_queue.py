"""Jobs are handed out so that what shares stays together and what doesn't fit waits its turn."""

import math

import pytest
from support.records import make_job

from bench.executors import queue as module
from bench.executors.queue import Queue, in_order
from bench.executors.task import Task
from bench.jobs.cell import Cell


def task(seed: int = 0, need: float = 0.0, method: str = "woodfisher", **fields: object) -> Task:
    job = make_job(seed=seed, method=method, hyperparameters=fields)
    return Task(Cell("label", job), need)


def seeds(queue: Queue, worker: int, count: int) -> list[int]:
    taken = [queue.take(worker) for _ in range(count)]
    for each in taken:
        queue.done(each)
    return [each.cell.job.seed for each in taken]


def test_jobs_that_share_follow_each_other_at_one_place() -> None:
    tasks = [task(seed, samples=10) for _ in range(3) for seed in (0, 1)]
    queue = Queue(tasks, ["cpu", "cpu"], {"cpu": 1})
    assert seeds(queue, 0, 1) == [0]
    assert seeds(queue, 1, 3) == [1, 1, 1]
    assert seeds(queue, 1, 1) == [0], "an idle worker helps with the largest group"
    assert seeds(queue, 0, 1) == [0]
    assert not queue and queue.take(0) is None


def test_jobs_of_one_method_without_gradients_stay_together_seed_by_seed() -> None:
    """A method that isn't random prunes to the same weights under each seed: evaluated once."""
    tasks = [
        task(seed, method=method) for method in ("magnitude", "l-obs") for seed in (1, 0, 1, 0)
    ]
    queue = Queue(tasks, ["cpu", "cpu"], {"cpu": 1})
    assert seeds(queue, 0, 4) == [0, 0, 1, 1]
    assert seeds(queue, 1, 4) == [0, 0, 1, 1]


def test_jobs_that_share_an_estimate_are_adjacent_among_those_that_share_gradients() -> None:
    mixed = [task(damping=damping) for _ in range(3) for damping in (1e-3, 1e-5)]
    found = [one.cell.job.hyperparameters["damping"] for one in in_order(mixed)]
    assert found == [1e-3] * 3 + [1e-5] * 3
    queue = Queue(mixed, ["cpu"], {"cpu": 1})
    taken = [queue.take(0) for _ in mixed]
    assert taken == in_order(mixed)


def test_jobs_that_do_not_fit_together_run_one_after_the_other() -> None:
    large, small = task(0, 60.0), task(1, 30.0)
    also, last = task(2, 60.0), task(3, 1.0)
    queue = Queue([large, small, also, last], ["cpu"] * 3, {"cpu": 100})
    assert queue.take(0) is large and queue.take(1) is small
    assert queue.take(2) is None
    queue.done(small)
    assert queue.take(1) is None, "nothing overtakes the one that waits"
    queue.done(large)
    assert queue.take(1) is also and queue.take(0) is last


def test_a_job_larger_than_the_memory_runs_alone() -> None:
    huge, small = task(0, 1000.0), task(1, 1.0)
    queue = Queue([huge, small], ["cpu"] * 2, {"cpu": 100})
    assert queue.take(0) is huge and queue.take(1) is None
    queue.done(huge)
    assert queue.take(1) is small


def test_devices_have_memory_of_their_own() -> None:
    first, second = task(0, 60.0), task(1, 60.0)
    queue = Queue([first, second], ["cuda:0", "cuda:1"], {"cuda:0": 100, "cuda:1": 100})
    assert queue.take(0) is first and queue.take(1) is second


def test_a_job_whose_process_died_runs_again_by_itself() -> None:
    dead, other = task(0), task(1)
    queue = Queue([dead, other], ["cpu"] * 2, {"cpu": 100})
    assert queue.take(0) is dead and queue.take(1) is other
    queue.alone(dead)
    assert queue and queue.take(0) is None and math.isinf(dead.need)
    queue.done(other)
    assert queue.take(0) is dead


def test_a_job_of_another_run_is_looked_at_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    only = task()
    queue = Queue([only], ["cpu"], {"cpu": 1})
    assert queue.take(0) is only
    queue.put_off(only)
    assert queue and queue.take(0) is None
    now[0] += module.LATER
    assert queue.take(0) is only and not queue
