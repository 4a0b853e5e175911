"""A cache of gradients at the dense weights, shared by the jobs that one process runs.

Two jobs of the same pair and seed that ask for the same gradients get the same numbers, so one
computation serves both. The meter charges every job in full, and the seconds and bytes that a job
was spared are added back to its findings, so that no record depends on which job came first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from bench.common.machine.yardstick import synchronise
from bench.problem.gradients.per_example import DenseGradients, JoinedGradients, OuterGradients
from bench.problem.stopwatch import Stopwatch

T = TypeVar("T")


@dataclass
class Kept:
    """A cached result, its tensors, and how many seconds it took to compute.

    PyTorch counts the in-place writes to each tensor (`_version`). The counts at the time of
    caching are kept, so that a later write to the result is noticed.
    """

    value: Any
    tensors: list[Tensor]
    seconds: float

    def __post_init__(self) -> None:
        self.versions = [tensor._version for tensor in self.tensors]
        self.size = sum(tensor.nbytes for tensor in self.tensors)

    @property
    def whole(self) -> bool:
        """True if no tensor of the result was written to since it was cached."""
        return self.versions == [tensor._version for tensor in self.tensors]


class GradientCache:
    """A least-recently-used cache of results by their request, at most `limit` bytes in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    @property
    def size(self) -> int:
        """The number of bytes that the cached tensors take."""
        return sum(kept.size for kept in self._kept.values())

    def find(self, key: Hashable) -> Kept | None:
        """Return the result cached under this key, or None.

        A result whose tensors were written to in the meantime is dropped from the cache.
        """
        kept = self._kept.get(key)
        if kept is not None and not kept.whole:
            del self._kept[key]
            return None
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def keep(self, key: Hashable, value: Any, seconds: float) -> None:
        """Cache a result that took `seconds`, dropping the least recently used beyond the limit.

        A result larger than the limit, or one made of gradients that are recomputed on each use,
        isn't cached.
        """
        tensors = _tensors(value)
        if tensors is None or sum(tensor.nbytes for tensor in tensors) > self._limit:
            return
        self._kept[key] = Kept(value, tensors, seconds)
        while self.size > self._limit:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Drop every cached result, to free memory."""
        self._kept.clear()


@dataclass
class Reuse:
    """One job's access to a cache, for gradients of the model that the key `owner` stands for.

    `seconds` and `size` (bytes) are the computing time and the memory that the job has been spared
    so far.
    """

    cache: GradientCache
    owner: Hashable
    seconds: float = 0.0
    size: int = 0

    def find(self, request: Hashable, stopwatch: Stopwatch) -> Any:
        """Return the cached result of this request, or None.

        The seconds that the result once took are added to the stopwatch's phase `gradients`.
        """
        kept = self.cache.find((self.owner, request))
        if kept is None:
            return None
        stopwatch.add("gradients", kept.seconds)
        self.seconds += kept.seconds
        self.size += kept.size
        return kept.value

    def keep(self, request: Hashable, compute: Callable[[], T], device: torch.device) -> T:
        """Compute a result that isn't cached, and cache it together with the seconds it took."""
        synchronise(device)
        start = time.perf_counter()
        value = compute()
        synchronise(device)
        self.cache.keep((self.owner, request), value, time.perf_counter() - start)
        return value


def _tensors(value: object) -> list[Tensor] | None:
    """The tensors that a result consists of; None for gradients that are recomputed on each use."""
    if isinstance(value, Tensor):
        return [value]
    if not isinstance(value, JoinedGradients):
        return None
    found = []
    for layer in value.layers:
        if isinstance(layer, DenseGradients):
            found.append(layer.matrix)
        elif isinstance(layer, OuterGradients):
            found += [layer.outputs, layer.inputs]
        else:
            return None
    return found
