"""How much memory and how many cores the jobs of this machine may divide among them."""

import psutil
import torch

from bench.common.cores import cores

SHARED = 2 * 2**30
"""Most bytes of gradients that one worker keeps for other jobs."""

PART = 4
"""The part of the free memory that all workers keep together for other jobs is one of so many."""


def cache_memory(workers: int) -> int:
    """Bytes of gradients that each of the workers may keep."""
    return min(SHARED, _available() // (PART * workers))


def free_memory(device: str, workers: int) -> float:
    """Bytes that running jobs may take together on the device, what workers keep left out."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return float(free)
    return float(_available() - workers * cache_memory(workers))


def _available() -> int:
    """Bytes that this machine has for new processes, caches that it can drop included."""
    available: int = psutil.virtual_memory().available
    return available


def threads_each(workers: int) -> int:
    """Threads for each of the workers, so that together they have no more than this process."""
    return max(1, min(cores(), torch.get_num_threads()) // workers)
