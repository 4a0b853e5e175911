"""A worker process: it prepares each pair once, then does the jobs that it is handed."""

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
from bench.jobs.record import Record
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.cache import GradientCache
from bench.study.plugins import load_plugin
from bench.study.study import Entry


def begin(plugins: tuple[Path, ...], threads: int) -> None:
    """Make a new process a worker, before torch has done any work in it."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group: the driver decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    remember_suite()
    torch.set_num_threads(threads)
    configure_logging(verbose=False)
    for plugin in plugins:
        load_plugin(plugin)


@functools.cache
def ready(pair: str, device: str) -> Dense:
    """The pair prepared on the device, once a process; raises `UserError`."""
    return prepare(PAIRS[pair], torch.device(device))


def warm(pair: str, device: str) -> None:
    """Prepare the pair before the clock of a job runs."""
    ready(pair, device)


@functools.cache
def kept(limit: int) -> GradientCache:
    """What jobs of this process share."""
    return GradientCache(limit)


def run(entry: Entry, work: Work, device: str, limit: int) -> Record | None:
    """As `perform`, with at most `limit` bytes of gradients kept for later jobs."""
    return perform(entry, work, ready(entry.job.pair, device), kept(limit))


def _end_with_driver() -> None:
    """Leave at once when the driver is gone, however it went: nobody could stop a hanging job."""
    driver = parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)
