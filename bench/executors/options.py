"""Makes the executor that the command line asks for, and refuses early one that can't work."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.common.errors import UserError, unknown
from bench.executors.here import Here
from bench.executors.memory import threads_each
from bench.executors.pool import Pool
from bench.executors.task import Executor
from bench.run.environment import choose_device


@dataclass(frozen=True)
class Options:
    """The user's options for where and how jobs run.

    `gpus` is the fraction of a GPU that a job on a cluster takes. `slurm` are options for sbatch.
    """

    jobs: int | None = None
    devices: Sequence[str] = ("cpu",)
    threads: int | None = None
    timeout: float | None = None
    plugins: Sequence[Path] = ()
    executor: str = "local"
    gpus: float = 1.0
    slurm: Sequence[str] = ()


def driver_device(options: Options) -> torch.device:
    """Return the device on which the driver prepares the pairs.

    It is that of the jobs, or the CPU if a cluster's head has no GPU.
    """
    if not options.executor.startswith("local") and not torch.cuda.is_available():
        return torch.device("cpu")
    return choose_device(options.devices[0])


def _local(options: Options, detail: str, _: Path) -> Executor:
    if detail:
        raise _no_executor(options)
    jobs = options.jobs or 1
    for device in options.devices:
        choose_device(device)
    if jobs < len(options.devices):
        raise UserError(
            f"--device names {len(options.devices)} devices for {jobs} workers: give --jobs "
            f"{len(options.devices)} or more."
        )
    if jobs == 1 and options.timeout is None and options.threads is None:
        return Here()
    threads = options.threads or threads_each(jobs)
    return Pool(jobs, options.devices, threads, options.plugins, options.timeout)


def _ray(options: Options, address: str, _: Path) -> Executor:
    _need("ray", "ray>=2.50")
    from bench.executors.ray.cluster import Cluster
    from bench.executors.ray.connection import Room

    device = _one_device(options)
    room = Room(options.threads or 1, device, options.gpus if device == "cuda" else 0.0)
    return Cluster(address, room, options.jobs, options.plugins, options.timeout)


def _slurm(options: Options, cluster: str, results: Path) -> Executor:
    if cluster not in ("", "local"):
        raise _no_executor(options)
    _need("submitit", "submitit>=1.5")
    from bench.executors.slurm.cluster import Slurm

    threads = options.threads or 1
    return Slurm(
        results / "slurm",
        cluster or "slurm",
        options.jobs or 1,
        _one_device(options),
        threads,
        options.plugins,
        options.timeout,
        options.slurm,
    )


def _one_device(options: Options) -> str:
    """Return the device of a cluster's jobs; the cluster decides which GPU it is."""
    if list(options.devices) not in (["cpu"], ["cuda"]):
        raise UserError(
            f"On a cluster --device is cpu or cuda, not {','.join(options.devices)}: it gives each "
            "job a GPU of its own, or the part that --gpus says."
        )
    return options.devices[0]


def _need(package: str, requirement: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"The package {package} isn't installed, which --executor needs here: "
            f"`python -m pip install '{requirement}'`."
        )


EXECUTORS: dict[str, Callable[[Options, str, Path], Executor]] = {
    "local": _local,
    "ray": _ray,
    "slurm": _slurm,
}
"""Makes each executor, by name: from the options, what follows `NAME:` in `--executor`, and the
folder of the results. To add one, write its file in this room, add it here, and test it in
`tests/executors/`."""

FORMS = ("local", "ray", "ray:ADDRESS", "slurm", "slurm:local")
"""What `--executor` may say of the executors that come with the suite."""


def executor_for(options: Options, results: Path) -> Executor:
    """Return the executor; raises `UserError` if this machine lacks what it needs."""
    name, _, detail = options.executor.partition(":")
    if name not in EXECUTORS:
        raise _no_executor(options)
    return EXECUTORS[name](options, detail, results)


def _no_executor(options: Options) -> UserError:
    return unknown("executor", options.executor, FORMS)
