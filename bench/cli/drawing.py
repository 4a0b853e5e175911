"""Processes that draw figures; they import what they need while there is nothing to draw yet."""

import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

from bench.common.machine.cores import cores

_MOST = 3
"""The most processes that draw figures."""


@contextmanager
def drawing() -> Iterator[Executor | None]:
    """Yield a pool of processes that have imported what figures need, or None.

    There is one process less than there are cores, since the caller draws too, and none if there is
    only one core or the platform has no such pool. The processes start at once, so that their
    imports and the caller's run at the same time. They are spawned, which every platform supports.

    If the block raises, the processes are killed, so that its error doesn't wait for their imports.
    The pool's own thread is waited for in any case: the interpreter would write to the thread's
    pipe when it ends, while the thread may be closing it.
    """
    count = min(_MOST, cores() - 1)
    before = active_children()
    pool = _pool(count) if count else None
    if pool is None:
        yield None
        return
    with pool:
        try:
            yield pool
        except BaseException:
            for process in active_children():
                if process not in before:
                    process.kill()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _pool(count: int) -> Executor | None:
    try:
        pool = ProcessPoolExecutor(count, get_context("spawn"), _ready)
        for _ in range(count):
            # The pool starts a process only if a task finds none idle.
            pool.submit(_ready)
    except (ImportError, NotImplementedError, OSError):
        return None
    return pool


def _ready() -> None:
    """Import what figures need, and ignore Ctrl-C: the caller ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import bench.report.figures.kinds  # noqa: F401
