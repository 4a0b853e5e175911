"""Processes that draw figures; they get ready while there is nothing to draw yet."""

import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from bench.common.cores import cores

_MOST = 3


@contextmanager
def drawing() -> Iterator[Executor | None]:
    """A pool of processes that have what figures need; None where there is only one core.

    There is one less than there are cores, since the caller draws too. The processes start at once
    and are spawned, which every platform can do, so that imports of the caller and theirs go on
    side by side. None too where the platform has no such pool.
    """
    count = min(_MOST, cores() - 1)
    pool = _pool(count) if count else None
    if pool is None:
        yield None
        return
    with pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _pool(count: int) -> Executor | None:
    try:
        pool = ProcessPoolExecutor(count, get_context("spawn"), _ready)
        for _ in range(count):
            # A process is started for a task that finds none at leisure.
            pool.submit(_ready)
    except (ImportError, NotImplementedError, OSError):
        return None
    return pool


def _ready() -> None:
    """Ctrl-C is for the process that asked for the figures, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import bench.report.figures.kinds  # noqa: F401
