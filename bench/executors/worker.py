"""A worker process: it prepares each pair once, then runs the jobs that it is given."""

import functools
import os
import signal
import threading
from multiprocessing import connection, parent_process
from pathlib import Path

import torch

from bench.common.screen import configure_logging
from bench.executors.perform import perform
from bench.executors.task import Work
from bench.fingerprint import remember_suite
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.cache import Cache
from bench.study.plugins import load_plugin


def begin(plugins: tuple[Path, ...], threads: int) -> None:
    """Make a new process a worker, before PyTorch has done any work in it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the driver decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    remember_suite()
    torch.set_num_threads(threads)
    configure_logging(verbose=False)
    for plugin in plugins:
        load_plugin(plugin)


@functools.cache
def ready(pair: str, device: str) -> Dense:
    """Return the pair prepared on the device, once per process; raises `UserError`."""
    return prepare(PAIRS[pair], torch.device(device))


def warm(pair: str, device: str) -> None:
    """Prepare the pair before any job's time is measured."""
    ready(pair, device)


@functools.cache
def kept(limit: int) -> Cache:
    """Return the cache of results that the jobs of this process share."""
    return Cache(limit)


def run(cell: Cell, work: Work, device: str, limit: int) -> Record | None:
    """Run the job as `perform` does, with a cache of at most `limit` bytes."""
    return perform(cell, work, ready(cell.job.pair, device), kept(limit))


def _end_with_driver() -> None:
    """End this process as soon as the driver is gone: nothing else could stop a hanging job."""
    driver = parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)
