"""A process on a Ray node: it unpacks each pair once, then runs the jobs that it is given."""

import functools
import os
import time
from typing import Any

import ray
import torch

from bench.common.errors import UserError
from bench.common.machine.cores import cores
from bench.common.screen import configure_logging
from bench.executors.memory import cache_memory
from bench.executors.ray.transfer import Transfer
from bench.fingerprint import remember_suite
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.pairs.preparing.dense import Dense
from bench.problem.cache import Cache
from bench.run.one_job import run_job
from bench.study.plugins import load_plugin


class Clock:
    """The start times of all jobs of a run, kept in one actor on the driver's node."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}

    def begin(self, key: str) -> None:
        """Note that the job starts now, its pair being ready.

        A rerun replaces the earlier start.
        """
        self._began[key] = time.monotonic()

    def ages(self) -> dict[str, float]:
        """Return the seconds since the start of every job that has started, by key."""
        now = time.monotonic()
        return {key: now - began for key, began in self._began.items()}

    def forget(self, key: str) -> None:
        """Note that the job has ended."""
        self._began.pop(key, None)


def run(cell: Cell, refs: dict[str, Any], clock: Any) -> Record | str:
    """Return the job's record for the driver to write, or a sentence why this node can't run jobs.

    `refs` has the references in Ray's object store: the transfer under "", and the packed pairs
    under their names.
    """
    try:
        transfer = _begin(_Once(refs[""]))
        dense = _ready(_Once(refs[cell.job.pair]), device_of(transfer.device, _granted()))
        transfer.snapshots.mkdir(parents=True, exist_ok=True)
    except (UserError, OSError) as error:
        return f"The node {ray.util.get_node_ip_address()} can't run jobs: {error}"
    clock.begin.remote(cell.job.key)
    return run_job(
        cell.job,
        dense,
        transfer.study,
        cell.label,
        transfer.memory,
        snapshots=transfer.snapshots,
        cache=_kept(transfer.threads),
    )


class _Once:
    """A reference that caches treat as equal to others of the same object."""

    def __init__(self, ref: Any) -> None:
        self._ref = ref

    def get(self) -> Any:
        """Return the object, fetched to this node."""
        return ray.get(self._ref)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and self._ref == other._ref

    def __hash__(self) -> int:
        return hash(self._ref)


@functools.cache
def _begin(transfer: _Once) -> Transfer:
    """Return the transfer, unpacked once per process, before PyTorch has done any work in it."""
    unpacked: Transfer = transfer.get()
    remember_suite()
    unpacked.set_variables()
    torch.set_num_threads(unpacked.threads)
    configure_logging(verbose=False)
    for plugin in unpacked.unpack_plugins():
        load_plugin(plugin)
    return unpacked


@functools.cache
def _ready(dense: _Once, device: str) -> Dense:
    """Return the pair on the device, unpacked once per process; raises `UserError`."""
    unpacked: Dense = dense.get().unpack(torch.device(device))
    return unpacked


@functools.cache
def _kept(threads: int) -> Cache:
    """Return the cache of results that the jobs of this process share."""
    return Cache(cache_memory(max(1, cores() // threads)))


def _granted() -> list[str]:
    """Return the ids of the GPUs that Ray assigned to this job."""
    granted: list[str] = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    return granted


def device_of(device: str, granted: list[str]) -> str:
    """Return the device for this job.

    The process sees all GPUs, because its next job may be assigned another one.
    """
    if device != "cuda":
        return device
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = granted[0]
    return f"cuda:{visible.split(',').index(first) if visible else first}"
