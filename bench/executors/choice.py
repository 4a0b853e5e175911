"""The engine that the command line asks for, refused at once where it can't be had."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.common.errors import UserError, unknown
from bench.executors.here import Here
from bench.executors.memory import threads_each
from bench.executors.pool import Pool
from bench.executors.task import Engine
from bench.run.environment import choose_device

EXECUTORS = ("local", "ray", "ray:ADDRESS", "slurm", "slurm:local")


@dataclass(frozen=True)
class Where:
    """What a user says of the place where jobs run.

    `gpus` is the part of a GPU that a job on a cluster takes. `slurm` are options of its own.
    """

    jobs: int | None = None
    devices: Sequence[str] = ("cpu",)
    threads: int | None = None
    timeout: float | None = None
    plugins: Sequence[Path] = ()
    executor: str = "local"
    gpus: float = 1.0
    slurm: Sequence[str] = ()


def engine_for(where: Where, results: Path) -> Engine:
    """The engine; raises `UserError` where this machine doesn't have what it needs."""
    kind, _, detail = where.executor.partition(":")
    if where.executor == "local":
        return _local(where)
    if kind == "ray":
        return _ray(where, detail)
    if where.executor in ("slurm", "slurm:local"):
        return _slurm(where, detail or "slurm", results)
    raise unknown("executor", where.executor, EXECUTORS)


def driver_device(where: Where) -> torch.device:
    """Where the driver prepares the pairs: as the jobs, or on the CPU of a cluster's head."""
    if where.executor != "local" and not torch.cuda.is_available():
        return torch.device("cpu")
    return choose_device(where.devices[0])


def _local(where: Where) -> Engine:
    jobs = where.jobs or 1
    for device in where.devices:
        choose_device(device)
    if jobs < len(where.devices):
        raise UserError(
            f"--device names {len(where.devices)} devices for {jobs} workers: give --jobs "
            f"{len(where.devices)} or more."
        )
    if jobs == 1 and where.timeout is None and where.threads is None:
        return Here()
    threads = where.threads or threads_each(jobs)
    return Pool(jobs, where.devices, threads, where.plugins, where.timeout)


def _ray(where: Where, address: str) -> Engine:
    _need("ray", "ray>=2.50")
    from bench.executors.ray.cluster import Cluster
    from bench.executors.ray.connection import Room

    device = _one_device(where)
    room = Room(where.threads or 1, device, where.gpus if device == "cuda" else 0.0)
    return Cluster(address, room, where.jobs, where.plugins, where.timeout)


def _slurm(where: Where, cluster: str, results: Path) -> Engine:
    _need("submitit", "submitit>=1.5")
    from bench.executors.slurm.cluster import Slurm

    threads = where.threads or 1
    return Slurm(
        results / "slurm",
        cluster,
        where.jobs or 1,
        _one_device(where),
        threads,
        where.plugins,
        where.timeout,
        where.slurm,
    )


def _one_device(where: Where) -> str:
    """The device of a cluster's jobs: which GPU it is, the cluster says."""
    if list(where.devices) not in (["cpu"], ["cuda"]):
        raise UserError(
            f"On a cluster --device is cpu or cuda, not {','.join(where.devices)}: it gives each "
            "job a GPU of its own, or the part that --gpus says."
        )
    return where.devices[0]


def _need(package: str, requirement: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"The package {package} isn't installed, which --executor needs here: "
            f"`python -m pip install '{requirement}'`."
        )
