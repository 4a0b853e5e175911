"""Claims on jobs, which keep two runs with one results folder from doing the same job at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = ".claims"
"""The folder of the lock files, inside the folder of records."""


@contextmanager
def claim(records: Path, key: str, seconds: float = 0.0) -> Iterator[bool]:
    """Yield whether the job is ours for the `with` block.

    It isn't if another process still has it after `seconds`. The claim is a lock of the operating
    system, which ends with its process in any case: a killed run leaves no claim that must be
    removed. The block must look for a record before it starts, since another process may have
    finished the job between the last look and the claim. Raises `OSError` if the folder can't be
    written to.
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
