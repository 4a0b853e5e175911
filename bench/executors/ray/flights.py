"""Jobs that Ray has: handed over, watched, stopped, and what became of them."""

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
from bench.executors.ray.parcel import PackedDense, Parcel
from bench.executors.task import Task, Work
from bench.jobs.record import Record
from bench.pairs.preparing.dense import Dense

RETRIES = 3
"""How often Ray runs a job again whose process died or whose node was lost."""

LOST = (
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    exceptions.OutOfMemoryError,
    exceptions.ObjectLostError,
    exceptions.TaskCancelledError,
)


class Lost(Exception):
    """The job has no record: its process died again and again, or it was stopped."""


class Refused(Exception):
    """A node can't run jobs."""


@dataclass(eq=False)
class Flight:
    """One job on the cluster; the driver keeps its claim, which the flight's end releases."""

    task: Task
    place: int
    claim: ExitStack
    late: bool = False


class Flights:
    """All jobs that Ray has of one run, and what they need there, in Ray's object store."""

    def __init__(
        self, room: Room, work: Work, pairs: Mapping[str, Dense], plugins: Sequence[Path]
    ) -> None:
        self._room, self._memory = room, largest_memory()
        parcel = Parcel.of(work.study, work.memory, room.device, room.threads, plugins)
        self._refs = {name: ray.put(PackedDense.of(dense)) for name, dense in pairs.items()}
        self._refs[""] = ray.put(parcel)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._clock = ray.remote(node.Clock).options(num_cpus=0, scheduling_strategy=here).remote()
        self._run = ray.remote(node.run)
        self._flights: dict[Any, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def begin(self, flight: Flight) -> None:
        """Hand the job to Ray."""
        options = self._room.options(flight.task.need, self._memory)
        run = self._run.options(max_retries=RETRIES, **options)
        self._flights[run.remote(flight.task.entry, self._refs, self._clock)] = flight

    def landed(self, seconds: float) -> Iterator[tuple[Flight, Any]]:
        """The flights that have ended, once one has or so many seconds are over.

        Each with what `outcome` makes a record of.
        """
        if not self._flights:
            time.sleep(seconds)
            return
        done, _ = ray.wait(list(self._flights), timeout=seconds)
        for ref in done:
            flight = self._flights.pop(ref)
            self._clock.forget.remote(flight.task.entry.job.key)
            with flight.claim:
                yield flight, ref

    def stop_late(self, seconds: float) -> None:
        """Kill the processes of the jobs that have taken longer than so many seconds."""
        ages: dict[str, float] = ray.get(self._clock.ages.remote())
        for ref, flight in self._flights.items():
            if not flight.late and ages.get(flight.task.entry.job.key, 0.0) > seconds:
                flight.late = True
                ray.cancel(ref, force=True)

    def drop_waiting(self) -> None:
        """Take back the jobs that wait for room."""
        ages = ray.get(self._clock.ages.remote())
        for ref, flight in self._flights.items():
            if flight.task.entry.job.key not in ages:
                ray.cancel(ref)


def outcome(ref: Any) -> Record:
    """The record that the job came to; raises `Lost` or `Refused`."""
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
