"""Gradients at the dense weights that jobs of one process share; each job still pays for them.

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
    """A result with its tensors as they were: torch counts the writes to each (`_version`)."""

    value: Any
    tensors: list[Tensor]
    seconds: float

    def __post_init__(self) -> None:
        self.versions = [tensor._version for tensor in self.tensors]
        self.size = sum(tensor.nbytes for tensor in self.tensors)

    @property
    def whole(self) -> bool:
        """Whether nobody has written to it."""
        return self.versions == [tensor._version for tensor in self.tensors]


class GradientCache:
    """The latest results that fit into `limit` bytes together, by what they were asked for."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(kept.size for kept in self._kept.values())

    def find(self, key: Hashable) -> Kept | None:
        """What was kept under this key; a result that somebody wrote to is forgotten."""
        kept = self._kept.get(key)
        if kept is not None and not kept.whole:
            del self._kept[key]
            return None
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def keep(self, key: Hashable, value: Any, seconds: float) -> None:
        """Keep a result where it fits, in place of those that weren't asked for the longest."""
        tensors = _tensors(value)
        if tensors is None or sum(tensor.nbytes for tensor in tensors) > self._limit:
            return
        self._kept[key] = Kept(value, tensors, seconds)
        while self.size > self._limit:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all, to make room."""
        self._kept.clear()


@dataclass
class Reuse:
    """One job's use of a cache, for gradients of the model that `owner` stands for.

    `seconds` and `size` (bytes) are what the job was spared so far.
    """

    cache: GradientCache
    owner: Hashable
    seconds: float = 0.0
    size: int = 0

    def find(self, request: Hashable, stopwatch: Stopwatch) -> Any:
        """What was asked for before, its seconds counted again as gradients'; None if nothing."""
        kept = self.cache.find((self.owner, request))
        if kept is None:
            return None
        stopwatch.add("gradients", kept.seconds)
        self.seconds += kept.seconds
        self.size += kept.size
        return kept.value

    def keep(self, request: Hashable, compute: Callable[[], T], device: torch.device) -> T:
        """Compute what isn't there, and keep it with the seconds that it took."""
        synchronise(device)
        start = time.perf_counter()
        value = compute()
        synchronise(device)
        self.cache.keep((self.owner, request), value, time.perf_counter() - start)
        return value


def _tensors(value: object) -> list[Tensor] | None:
    """The tensors that a result is made of; None for gradients that are produced anew each time."""
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
