"""Refuses the jobs that can't fit into memory, in one sentence each, before any of them starts."""

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch

from bench.executors.claims import claim
from bench.executors.memory import VARIABLE, free_memory
from bench.executors.perform import finished, lost, unwritable
from bench.executors.task import Executor, Task, Work
from bench.jobs.record import Record
from bench.pairs.preparing.dense import Dense
from methods import build

GIB = 2**30


@runtime_checkable
class Bounded(Protocol):
    """An executor that knows how much memory a job may take where it runs."""

    def free(self) -> float:
        """Return the bytes that a job may take that runs alone."""


def free_for(executor: Executor, pairs: Mapping[str, Dense]) -> float:
    """Return the bytes that one job may take, when nothing else of this run is running.

    Executors that don't say it run on this machine, on the device of the pairs.
    """
    if isinstance(executor, Bounded):
        return executor.free()
    device = next(iter(pairs.values())).device
    return free_memory(str(device), 0)


def refuse_too_large(
    tasks: Sequence[Task], free: float, work: Work, pairs: Mapping[str, Dense]
) -> tuple[list[Task], list[Record]]:
    """Return the tasks that may fit, and the records of the others, failed ones, on disk.

    A job that another run has claimed is left to the executor. Raises `UserError` if a record can't
    be written.
    """
    fitting, records = [], []
    for task in tasks:
        record = _refused(task, free, work, pairs) if task.need > free else None
        if record is None:
            fitting.append(task)
        else:
            records.append(record)
    return fitting, records


def _refused(task: Task, free: float, work: Work, pairs: Mapping[str, Dense]) -> Record | None:
    """Write and return the record, or one that answers the job already.

    None if the job is another run's.
    """
    job, store = task.cell.job, work.store
    reason = sentence(task, free)
    record = lost(task.cell, work, pairs[job.pair], reason, torch.get_num_threads())
    try:
        with claim(store.folder, job.key) as ours:
            if not ours:
                return None
            if done := finished(store, task.cell, pairs[job.pair], logging.DEBUG):
                return done
            store.write(record)
            return record
    except OSError as error:
        raise unwritable(task.cell, store, error) from error


def sentence(task: Task, free: float) -> str:
    """Return what the job needs, what is free, and what to do about it."""
    job = task.cell.job
    method = build(job.method, job.hyperparameters)
    advice = [method.lighter(), "train with a smaller batch" if job.training else ""]
    advice = [what for what in advice if what] or ["run it where more is free"]
    return (
        f"{type(method).__name__} needs up to {task.need / GIB:.1f} GiB and {free / GIB:.1f} GiB "
        f"are free: {' or '.join(advice)} ({VARIABLE} sets what counts as free)"
    )
