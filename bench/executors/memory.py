"""How much memory and how many threads the jobs of this machine may divide among them."""

import math
import os

import psutil
import torch

from bench.common.errors import UserError
from bench.common.machine.cores import cores
from bench.executors.bounds.control_groups import room

VARIABLE = "BENCH_FREE_GIB"
"""The environment variable that says how many GiB a job may take, instead of what is measured."""

SHARED = 2 * 2**30
"""The most bytes of estimates and gradients that one worker caches for other jobs."""

PART = 4
"""All workers together cache at most one part in this many of the free memory."""


def cache_memory(workers: int) -> int:
    """Return how many bytes of estimates and gradients each of the workers may cache."""
    return min(SHARED, _available() // (PART * workers))


def free_memory(device: str, workers: int) -> float:
    """Return how many bytes running jobs may take together on the device.

    On the CPU the workers' caches are left out. Raises `UserError` if the environment variable
    `BENCH_FREE_GIB`, which replaces the measurement, is no number above zero.
    """
    said = said_free()
    if said is not None:
        return said
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return float(free)
    return float(_available() - (workers * cache_memory(workers) if workers else 0))


def said_free() -> float | None:
    """Return the bytes that `BENCH_FREE_GIB` allows, infinite for `inf`; None if it isn't set."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        said = float(text)
    except ValueError:
        said = math.nan
    if not said > 0:
        raise UserError(f"{VARIABLE} must be a number of GiB above zero, or inf, not {text!r}.")
    return said * 2**30


def _available() -> int:
    """Return the bytes that new processes may take here, droppable caches included.

    A container may take less than its machine has.
    """
    available: int = psutil.virtual_memory().available
    return int(min(available, room()))


def threads_each(workers: int) -> int:
    """Return the threads per worker, so that together they have no more than this process."""
    return max(1, min(cores(), torch.get_num_threads()) // workers)
