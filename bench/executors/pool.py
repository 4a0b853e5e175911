"""Runs jobs in worker processes of this machine."""

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

from bench.common.stopping import Stop
from bench.executors.claims import claim
from bench.executors.memory import cache_memory, free_memory
from bench.executors.perform import lost, unwritable
from bench.executors.process import Died, TookTooLong, WorkerProcess
from bench.executors.queue import Queue
from bench.executors.task import Task, Work
from bench.jobs.record import Record
from bench.pairs.preparing.dense import Dense

log = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between two checks of time limits, signals and postponed jobs."""

PATIENCE = 10.0
"""Seconds to wait for the claim of a process that was told to end."""


class Pool:
    """The executor with `jobs` worker processes of `threads` threads each, spread over devices.

    A job that takes longer than `timeout` seconds is stopped and recorded as failed. One whose
    process dies runs once more, while no other job does; if its process dies again, it is recorded
    as failed.
    """

    def __init__(
        self,
        jobs: int,
        devices: Sequence[str],
        threads: int,
        plugins: Sequence[Path] = (),
        timeout: float | None = None,
    ) -> None:
        self.devices = [devices[index % len(devices)] for index in range(jobs)]
        self.threads, self.timeout = threads, timeout
        self._plugins = tuple(plugins)

    def prepare(self) -> None:
        """Start the process that workers are forked from.

        It imports PyTorch while data are loaded.
        """
        _context()
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = str(self.threads)  # for libraries that read it on import
        try:
            forkserver.ensure_running()
        finally:
            if before is None:
                del os.environ["OMP_NUM_THREADS"]
            else:
                os.environ["OMP_NUM_THREADS"] = before

    def free(self) -> float:
        """Return the bytes that a job may take that runs alone, on any of the devices."""
        return min(free_memory(name, 0) for name in set(self.devices))

    def run(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop: Stop
    ) -> Iterator[Record]:
        """Run the jobs in the worker processes, see `Executor.run`."""
        capacity = {name: free_memory(name, len(self.devices)) for name in set(self.devices)}
        queue = Queue(tasks, self.devices, capacity)
        with self._processes(min(len(tasks), len(self.devices))) as processes:
            while True:
                if not stop.asked:
                    _hand_out(queue, processes, work)
                busy = [process for process in processes if process.future is not None]
                if not busy and (stop.asked or not queue):
                    return
                if not busy:
                    time.sleep(TICK)
                wait([process.future for process in busy if process.future], TICK, FIRST_COMPLETED)
                for process in busy:
                    process.watch()
                    if process.future is not None and process.future.done():
                        yield from self._settle(process, queue, work, pairs, stop)

    def _settle(
        self,
        process: WorkerProcess,
        queue: Queue,
        work: Work,
        pairs: Mapping[str, Dense],
        stop: Stop,
    ) -> Iterator[Record]:
        """Yield the record of the process's job, if the job has ended with one."""
        task = process.task
        assert task is not None
        try:
            record = process.result()
        except TookTooLong:
            queue.done(task)
            reason = f"took longer than {self.timeout:g} seconds and was stopped"
            yield self._failed(task, work, pairs, reason)
        except Died as error:
            if not stop.asked and task.died == 0:
                task.died = 1
                log.warning("a worker died%s in %s: it runs once more", error, task.cell.job)
                queue.alone(task)
                return
            queue.done(task)
            if not stop.asked:
                reason = f"its process died twice{error}: killed, perhaps for want of memory"
                yield self._failed(task, work, pairs, reason)
        else:
            if record is None:
                queue.put_off(task)
                return
            queue.done(task)
            yield record

    def _failed(self, task: Task, work: Work, pairs: Mapping[str, Dense], reason: str) -> Record:
        """Write and return the record that the job couldn't write itself."""
        job = task.cell.job
        record = lost(task.cell, work, pairs[job.pair], reason, self.threads)
        try:
            with claim(work.store.folder, job.key, PATIENCE):
                work.store.write(record)
        except OSError as error:
            raise unwritable(task.cell, work.store, error) from error
        return record

    @contextmanager
    def _processes(self, count: int) -> Iterator[list[WorkerProcess]]:
        """Yield workers that finish their jobs when the block ends, or are stopped if it raises."""
        context, limit = _context(), cache_memory(len(self.devices))
        processes = [
            WorkerProcess(context, device, self.threads, self._plugins, limit, self.timeout)
            for device in self.devices[:count]
        ]
        try:
            yield processes
        except BaseException:
            for process in processes:
                process.stop()
            raise
        for process in processes:
            process.close()


def _hand_out(queue: Queue, processes: Sequence[WorkerProcess], work: Work) -> None:
    for index, process in enumerate(processes):
        if process.future is None and (task := queue.take(index)) is not None:
            process.begin(task, work)


def _context() -> BaseContext:
    """Return how workers start: forked from a server that has imported PyTorch, if possible.

    The server has never used PyTorch, so that no state of it is copied.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.executors.worker"])
    return context
