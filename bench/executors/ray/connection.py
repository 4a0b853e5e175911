"""The connection to Ray, and how much room its nodes have for jobs."""

import logging
import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray

from bench.common.errors import UserError
from bench.common.machine.cores import cores
from bench.run.environment import ROOT

log = logging.getLogger(__name__)

CODE = ("bench", "methods", "datasets")
"""The folders of the checkout that are sent to the nodes; they are far smaller than Ray's limit."""

STEP = 2**26
"""Memory is requested in multiples of this many bytes, so that Ray sees few kinds of jobs and
reuses processes."""


SECONDS = 10.0
"""Seconds within which the head of a cluster must answer."""


def connect(address: str, threads: int) -> None:
    """Connect to the cluster at HOST:PORT; raises `UserError` if none answers.

    Without an address it is that of the environment variable RAY_ADDRESS, or else a Ray that is
    started on this machine for this run.
    """
    # Ray reads these when it starts: no usage statistics are sent, and a job killed for lack of
    # memory isn't rerun without end.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", "1")
    address = address or os.environ.get("RAY_ADDRESS", "")
    try:
        if address:
            _knock(address)
            _join(address, threads)
        else:
            _join("local", threads, num_cpus=cores(), _node_ip_address="127.0.0.1")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"Ray can't be reached at {address or 'this machine'}: {_first_line(error)} Start a "
            "head with `ray start --head --port 6379` and give its address, HOST:6379."
        ) from error


def _knock(address: str) -> None:
    """Raise an error if nothing listens at the address: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{address!r} is no HOST:PORT")
    socket.create_connection((host, int(port)), SECONDS).close()


def _join(address: str, threads: int, **options: Any) -> None:
    others = [f"/{path.name}" for path in ROOT.iterdir() if path.name not in CODE]
    variables = {
        "OMP_NUM_THREADS": str(threads),  # for libraries that read it on import
        "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1",  # see `node.device_of`
    }
    ray.init(
        address,
        runtime_env={
            "working_dir": str(ROOT),
            "excludes": [*others, "__pycache__"],
            "env_vars": variables,
        },
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        **options,
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return text if text.endswith(".") else f"{text}."


@dataclass(frozen=True)
class Room:
    """What a job takes of a node: cores, and on `cuda` a GPU or a fraction of one."""

    threads: int
    device: str
    gpus: float

    def slots(self) -> int:
        """Return how many jobs the present nodes have room for together."""
        return sum(self._slots(node) for node in nodes())

    def check(self) -> None:
        """Raise `UserError` if no node could ever run a job: Ray would wait without end."""
        if not self.slots():
            there = [_described(node) for node in nodes()]
            wanted = _described({"CPU": self.threads, "GPU": self.gpus})
            raise UserError(
                f"No node of the Ray cluster has the {wanted} that a job takes; they have "
                f"{', '.join(sorted(set(there)))}. Change --threads, --device or --gpus."
            )

    def warn(self) -> None:
        """Log that the jobs wait, if no node is left that has room for them."""
        if not self.slots():
            log.warning("No node of the Ray cluster has room for a job: waiting until one joins.")

    def options(self, need: float, largest: int) -> dict[str, Any]:
        """Return the resources to request for a job that needs so many bytes of memory.

        The need is an upper bound, not a measurement: if it exceeds what the largest node has, and
        the user lets the job start anyway, the job requests all of that.
        """
        if self.gpus:
            return {"num_cpus": self.threads, "num_gpus": self.gpus}
        return {"num_cpus": self.threads, "memory": min(math.ceil(need / STEP) * STEP, largest)}

    def _slots(self, node: dict[str, float]) -> int:
        slots = int(node.get("CPU", 0.0) / self.threads)
        return min(slots, int(node.get("GPU", 0.0) / self.gpus)) if self.gpus else slots


def nodes() -> Sequence[dict[str, float]]:
    """Return the resources of each living node."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def largest_memory() -> int:
    """Return the bytes for jobs of the node that has the most."""
    return max((int(node.get("memory", 0)) for node in nodes()), default=0)


def _described(resources: dict[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs"
