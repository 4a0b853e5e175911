"""Worker processes of this machine."""

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
"""Seconds between two looks at time limits, signals and jobs put off."""

PATIENCE = 10.0
"""Seconds that a process which was told to end may keep its claim."""


class Pool:
    """`jobs` worker processes, spread over the devices, with `threads` threads each.

    A job that takes longer than `timeout` seconds is stopped and failed. One whose process dies
    runs once more, when no other does; where it dies again it is failed.
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
        """Start the process that workers are forked from: it imports torch while we load data."""
        _context()
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = str(self.threads)  # for what reads it once, on import
        try:
            forkserver.ensure_running()
        finally:
            if before is None:
                del os.environ["OMP_NUM_THREADS"]
            else:
                os.environ["OMP_NUM_THREADS"] = before

    def run(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop: Stop
    ) -> Iterator[Record]:
        """See `Executor`."""
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
        """The record of the process's job, if it has come to one."""
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
                log.warning("a worker died%s in %s: it runs once more", error, task.entry.job)
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
        """The record that the job couldn't write itself."""
        job = task.entry.job
        record = lost(task.entry, work, pairs[job.pair], reason, self.threads)
        try:
            with claim(work.store.folder, job.key, PATIENCE):
                work.store.write(record)
        except OSError as error:
            raise unwritable(task.entry, work.store, error) from error
        return record

    @contextmanager
    def _processes(self, count: int) -> Iterator[list[WorkerProcess]]:
        """Workers that end with the block: at their leisure, or at once where it fails."""
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
    """Forked from a server that has imported torch and never used it, where there is such."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.executors.worker"])
    return context
