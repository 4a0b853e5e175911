"""The executor for a Ray cluster, or for a Ray that is started on this machine for the run."""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from bench.common.errors import UserError
from bench.common.stopping import Stop
from bench.executors.claims import claim
from bench.executors.memory import said_free
from bench.executors.perform import finished, lost, unwritable
from bench.executors.queue import Queue
from bench.executors.ray.connection import Room, connect, largest_memory, nodes
from bench.executors.ray.remote_jobs import RETRIES, Lost, Refused, RemoteJob, RemoteJobs, outcome
from bench.executors.task import Task, Work
from bench.jobs.record import Record
from bench.pairs.preparing.dense import Dense
from bench.run.environment import environment
from bench.run.one_job import source_of

log = logging.getLogger(__name__)

TICK = 0.2
"""Seconds between two checks of time limits, signals and postponed jobs."""

PATIENCE = 60.0
"""Seconds between two checks of whether any node has room for a job."""


class Cluster:
    """The executor that runs jobs as Ray tasks, `jobs` at a time.

    By default as many run as there is room for at the start. Ray places them by cores, GPUs and
    memory, and reruns a job whose process or node is lost. The records are sent back to the driver,
    which writes them: nodes need no common file system. A job that takes longer than `timeout`
    seconds is stopped and recorded as failed.
    """

    def __init__(
        self,
        address: str,
        room: Room,
        jobs: int | None = None,
        plugins: Sequence[Path] = (),
        timeout: float | None = None,
    ) -> None:
        self._address, self._room, self._jobs = address, room, jobs
        self._plugins, self._timeout = tuple(plugins), timeout

    def prepare(self) -> None:
        """Connect, or start Ray here; raises `UserError` if no node has room for a job."""
        connect(self._address, self._room.threads)
        self._room.check()
        self._jobs = self._jobs or self._room.slots()
        log.info("Ray: %d nodes, %d jobs at a time.", len(nodes()), self._jobs)

    def free(self) -> float:
        """Return the bytes for jobs of the node that has the most; infinite where jobs take GPUs.

        How much memory the GPUs of other nodes have isn't known here.
        """
        return math.inf if self._room.gpus else said_free() or float(largest_memory())

    def run(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop: Stop
    ) -> Iterator[Record]:
        """Run the jobs on the cluster, see `Executor.run`."""
        assert self._jobs is not None
        slots = min(self._jobs, len(tasks))
        # The next job of a slot nearly always runs in the process of the slot's last job. So jobs
        # that share gradients stay together, although Ray chooses the process. The capacity is
        # infinite, because Ray does the accounting of memory.
        queue = Queue(tasks, ["cluster"] * slots, {"cluster": math.inf})
        try:
            remote_jobs = RemoteJobs(self._room, work, pairs, self._plugins)
            driver = _Driver(remote_jobs, queue, list(range(slots)), work, pairs, stop)
            yield from driver.records(self._room, self._timeout)
        finally:
            ray.shutdown()  # which also ends all jobs that still run


@dataclass
class _Driver:
    """Gives out the jobs of one run and writes their records; `free` are slots without a job."""

    remote_jobs: RemoteJobs
    queue: Queue
    free: list[int]
    work: Work
    pairs: Mapping[str, Dense]
    stop: Stop
    trouble: str = ""

    def records(self, room: Room, timeout: float | None) -> Iterator[Record]:
        """Yield each record when it is on disk; raises `UserError` if a node can't run jobs.

        Before it raises, the jobs on other nodes may finish.
        """
        looked = time.monotonic()
        while True:
            if self.stop.asked:
                self.remote_jobs.drop_waiting()
            elif not self.trouble:
                yield from self._hand_out()
            if not self.remote_jobs and (self.stop.asked or self.trouble or not self.queue):
                break
            if timeout is not None:
                self.remote_jobs.stop_late(timeout)
            if time.monotonic() - looked > PATIENCE:
                looked = time.monotonic()
                room.warn()
            for remote, ref in self.remote_jobs.ended(TICK):
                yield from self._settle(remote, ref, room, timeout)
        if self.trouble:
            raise UserError(
                f"{self.trouble} What ran elsewhere is recorded: mend this, then the same command "
                "goes on with the rest."
            )

    def _hand_out(self) -> Iterator[Record]:
        """Give each free slot its next job; yield records that another run has made meanwhile."""
        for slot in list(self.free):
            task = self.queue.take(slot)
            if task is None:
                continue
            held, store = ExitStack(), self.work.store
            try:
                ours = held.enter_context(claim(store.folder, task.cell.job.key))
            except OSError as error:
                raise unwritable(task.cell, store, error) from error
            if not ours:
                self.queue.put_off(task)
                continue
            dense = self.pairs[task.cell.job.pair]
            if record := finished(store, task.cell, dense, logging.DEBUG):
                held.close()
                self.queue.done(task)
                yield record
                continue
            self.free.remove(slot)
            self.remote_jobs.begin(RemoteJob(task, slot, held))

    def _settle(
        self, remote: RemoteJob, ref: Any, room: Room, timeout: float | None
    ) -> Iterator[Record]:
        """Write and yield the job's record.

        None if the job was cancelled or its node can't run it.
        """
        self.free.append(remote.slot)
        self.queue.done(remote.task)
        cell, store = remote.task.cell, self.work.store
        dense = self.pairs[cell.job.pair]
        try:
            record = _of_this_code(outcome(ref), dense)
        except Refused as error:
            self.trouble = str(error)
            return
        except Lost:
            if self.stop.asked and not remote.late:
                return
            reason = f"its process died {RETRIES + 1} times: killed, perhaps for want of memory"
            if remote.late:
                reason = f"took longer than {timeout:g} seconds and was stopped"
            record = lost(cell, self.work, dense, reason, room.threads)
        try:
            store.write(record)
        except OSError as error:
            raise unwritable(cell, store, error) from error
        yield record


def _of_this_code(record: Record, dense: Dense) -> Record:
    """Return the record with the commit, which only the driver knows.

    Raises `Refused` if the node ran other code.
    """
    if record.source_sha256 != source_of(record.job()):
        raise Refused(
            f"A node of the Ray cluster ran other code than this machine in {record.job()}: "
            "install the same versions of what plugins import from outside their folders."
        )
    commit = environment(dense.device).commit
    made_in = record.environment.model_copy(update={"commit": commit})
    return record.model_copy(update={"environment": made_in})
