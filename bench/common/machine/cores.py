"""The number of cores that this process may use."""

import os


def cores() -> int:
    """Return the number of cores, counting only those to which the process is bound."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
