"""A fixed piece of work whose time represents the machine's speed, to make times comparable."""

import functools
import time

import torch

_REPEATS = 5
_SIDE = 512
_SCORES = 200_000


@functools.cache
def yardstick_seconds(device: torch.device) -> float:
    """Return the seconds that the work takes on this device, the smallest of five measurements.

    The work is what pruning consists of: a Gram matrix and its Cholesky factor in double precision
    (side 512), and the stable sort of 200,000 scores. A pruning time divided by it is a pure number
    that may be compared between machines within a generous factor. It is measured once per process,
    and doesn't touch the global random state.
    """
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(_SIDE, _SIDE, generator=generator, dtype=torch.float64).to(device)
    scores = torch.randn(_SCORES, generator=generator).to(device)
    return min(_timed(rows, scores) for _ in range(_REPEATS))


def _timed(rows: torch.Tensor, scores: torch.Tensor) -> float:
    synchronise(rows.device)
    start = time.perf_counter()
    gram = rows @ rows.T
    gram.diagonal().add_(len(rows))
    torch.linalg.cholesky(gram)
    scores.argsort(stable=True)
    synchronise(rows.device)
    return time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished all its work; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
