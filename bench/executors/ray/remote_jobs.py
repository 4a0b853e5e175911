"""The jobs that were given to Ray: started, watched, stopped, and their outcomes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bench.executors.ray import node
from bench.executors.ray.connection import Room, largest_memory
from bench.executors.ray.transfer import PackedDense, Transfer
from bench.executors.task import Task, Work
from bench.jobs.record import Record
from bench.pairs.preparing.dense import Dense

RETRIES = 3
"""How often Ray reruns a job whose process died or whose node was lost."""

LOST = (
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    exceptions.OutOfMemoryError,
    exceptions.ObjectLostError,
    exceptions.TaskCancelledError,
)
"""Ray's exceptions for a job whose process is gone."""


class Lost(Exception):
    """Raised for a job without a record: its process died repeatedly, or it was stopped."""


class Refused(Exception):
    """Raised when a node can't run jobs."""


@dataclass(eq=False)
class RemoteJob:
    """One job on the cluster; the driver holds its claim until the job ends."""

    task: Task
    slot: int
    claim: ExitStack
    late: bool = False


class RemoteJobs:
    """All jobs of one run that Ray has, and the objects they need, in Ray's object store."""

    def __init__(
        self, room: Room, work: Work, pairs: Mapping[str, Dense], plugins: Sequence[Path]
    ) -> None:
        self._room, self._memory = room, largest_memory()
        transfer = Transfer.of(work.study, work.memory, room.device, room.threads, plugins)
        self._refs = {name: ray.put(PackedDense.of(dense)) for name, dense in pairs.items()}
        self._refs[""] = ray.put(transfer)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._clock = ray.remote(node.Clock).options(num_cpus=0, scheduling_strategy=here).remote()
        self._run = ray.remote(node.run)
        self._remote_jobs: dict[Any, RemoteJob] = {}

    def __len__(self) -> int:
        return len(self._remote_jobs)

    def begin(self, remote: RemoteJob) -> None:
        """Give the job to Ray."""
        options = self._room.options(remote.task.need, self._memory)
        run = self._run.options(max_retries=RETRIES, **options)
        self._remote_jobs[run.remote(remote.task.cell, self._refs, self._clock)] = remote

    def ended(self, seconds: float) -> Iterator[tuple[RemoteJob, Any]]:
        """Yield the jobs that have ended, after waiting at most so many seconds for one to end.

        Each comes with the reference that `outcome` takes.
        """
        if not self._remote_jobs:
            time.sleep(seconds)
            return
        done, _ = ray.wait(list(self._remote_jobs), timeout=seconds)
        for ref in done:
            remote = self._remote_jobs.pop(ref)
            self._clock.forget.remote(remote.task.cell.job.key)
            with remote.claim:
                yield remote, ref

    def stop_late(self, seconds: float) -> None:
        """Kill the processes of the jobs that have taken longer than so many seconds."""
        ages: dict[str, float] = ray.get(self._clock.ages.remote())
        for ref, remote in self._remote_jobs.items():
            if not remote.late and ages.get(remote.task.cell.job.key, 0.0) > seconds:
                remote.late = True
                ray.cancel(ref, force=True)

    def drop_waiting(self) -> None:
        """Cancel the jobs that haven't started yet."""
        ages = ray.get(self._clock.ages.remote())
        for ref, remote in self._remote_jobs.items():
            if remote.task.cell.job.key not in ages:
                ray.cancel(ref)


def outcome(ref: Any) -> Record:
    """Return the job's record; raises `Lost` or `Refused`."""
    try:
        answer = ray.get(ref)
    except LOST as error:
        raise Lost from error
    except exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise Refused(f"A node of the Ray cluster can't run jobs: {last}") from error
    if isinstance(answer, Record):
        return answer
    raise Refused(answer)
