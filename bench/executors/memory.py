"""How much memory and how many threads the jobs of this machine may divide among them."""

import psutil
import torch

from bench.common.machine.cores import cores

SHARED = 2 * 2**30
"""The most bytes of gradients that one worker caches for other jobs."""

PART = 4
"""All workers together cache at most one part in this many of the free memory."""


def cache_memory(workers: int) -> int:
    """Return how many bytes of gradients each of the workers may cache."""
    return min(SHARED, _available() // (PART * workers))


def free_memory(device: str, workers: int) -> float:
    """Return how many bytes running jobs may take together on the device.

    On the CPU the workers' caches are left out.
    """
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return float(free)
    return float(_available() - workers * cache_memory(workers))


def _available() -> int:
    """Return the bytes that new processes may take on this machine, droppable caches included."""
    available: int = psutil.virtual_memory().available
    return available


def threads_each(workers: int) -> int:
    """Return the threads per worker, so that together they have no more than this process."""
    return max(1, min(cores(), torch.get_num_threads()) // workers)
