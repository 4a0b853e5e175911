"""One worker process and the job that it runs; a process that died is replaced."""

import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from bench.executors import worker
from bench.executors.task import Task, Work
from bench.jobs.record import Record


class Died(Exception):
    """Raised when the worker's process ended during a job."""


class TookTooLong(Exception):
    """Raised when the job reached its time limit and was stopped together with its process."""


class WorkerProcess:
    """A pool of one process, so that jobs that share gradients can be given to the same process.

    `limit` is the number of bytes that the process caches for later jobs, `timeout`
    the number of seconds that a job may take. They are measured here with a monotonic timer, since
    the pool's own limit depends on the system's clock.
    """

    def __init__(
        self,
        context: BaseContext,
        device: str,
        threads: int,
        plugins: tuple[Path, ...],
        limit: int,
        timeout: float | None,
    ) -> None:
        self.device = device
        self.task: Task | None = None
        self.future: ProcessFuture[Record | None] | None = None
        self._open: Callable[[], ProcessPool] = lambda: ProcessPool(
            1, initializer=worker.begin, initargs=(plugins, threads), context=context
        )
        self._limit, self._timeout = limit, timeout
        self._pool = self._open()
        self._warm: set[str] = set()
        self._began: float | None = None

    def warm(self, pair: str) -> None:
        """Let the process prepare the pair before any job's time is measured."""
        if pair not in self._warm:
            self._pool.schedule(worker.warm, (pair, self.device))
            self._warm.add(pair)

    def begin(self, task: Task, work: Work) -> None:
        """Give the job to the process."""
        self.task, self._began = task, None
        try:
            self._hand_over(task, work)
        except RuntimeError:  # the process died between two jobs
            self._renew()
            self._hand_over(task, work)

    def _hand_over(self, task: Task, work: Work) -> None:
        self.warm(task.cell.job.pair)
        arguments = (task.cell, work, self.device, self._limit)
        self.future = self._pool.schedule(worker.run, arguments)

    def watch(self) -> None:
        """Stop the job if its time is up; it counts from when the process starts the job."""
        if self.future is None or self._timeout is None or not self.future.running():
            return
        self._began = self._began or time.perf_counter()
        if time.perf_counter() - self._began > self._timeout:
            self.future.cancel()

    def result(self) -> Record | None:
        """Return what `perform` returned.

        Raises `Died`, `TookTooLong`, or the job's `UserError`.
        """
        assert self.future is not None
        try:
            return self.future.result()
        except CancelledError as error:
            self._warm.clear()
            raise TookTooLong from error
        except (ProcessExpired, BrokenProcessPool) as error:
            self._renew()
            code = getattr(error, "exitcode", None)
            raise Died("" if code is None else f" (exit code {code})") from error
        finally:
            self.task = self.future = None

    def _renew(self) -> None:
        self.stop()
        self._pool = self._open()
        self._warm.clear()

    def close(self) -> None:
        """Let the process finish and end."""
        self._pool.close()
        self._pool.join()

    def stop(self) -> None:
        """End the process now, even during a job."""
        self._pool.stop()
        self._pool.join()
