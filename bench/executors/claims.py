"""Claims on jobs, so that two runs into one folder don't do the same job at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = ".claims"


@contextmanager
def claim(records: Path, key: str, seconds: float = 0.0) -> Iterator[bool]:
    """Whether the job is ours for this block: False where another process is at it so long.

    A lock of the operating system, which ends with its process however that ends: no claim of a
    killed run is left to be cleared away. The block must look for a record before it starts, since
    another process may have finished between our look and our claim. Raises `OSError` where the
    folder can't be written.
    """
    folder = records / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{key}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:
            lock.release()
