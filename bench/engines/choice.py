"""The engine that the command line asks for, refused at once where it can't be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.engines.here import Here
from bench.engines.memory import threads_each
from bench.engines.pool import Pool
from bench.engines.task import Engine
from bench.environment import choose_device
from bench.errors import UserError


@dataclass(frozen=True)
class Where:
    """What a user says of the place where jobs run."""

    jobs: int = 1
    devices: Sequence[str] = ("cpu",)
    threads: int | None = None
    timeout: float | None = None
    plugins: Sequence[Path] = ()


def engine_for(where: Where) -> Engine:
    """The engine; raises `UserError` where this machine doesn't have what it needs."""
    for device in where.devices:
        choose_device(device)
    if where.jobs < len(where.devices):
        raise UserError(
            f"--device names {len(where.devices)} devices for {where.jobs} workers: give --jobs "
            f"{len(where.devices)} or more."
        )
    if where.jobs == 1 and where.timeout is None and where.threads is None:
        return Here()
    threads = where.threads or threads_each(where.jobs)
    return Pool(where.jobs, where.devices, threads, where.plugins, where.timeout)
