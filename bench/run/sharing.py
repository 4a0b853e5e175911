"""Gradients at the dense weights that jobs of one process share; each job still pays for them.

Two jobs of the same pair and seed that ask for the same gradients get the same numbers, so one
computation serves both. The meter charges every job in full, and the seconds and bytes that a job
was spared are added back to its findings, so that no record depends on which job came first.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

from bench.common.yardstick import synchronise
from bench.pairs.preparing.dense import Dense
from bench.problem.gradients.per_example import DenseRows, JoinedRows, OuterRows
from bench.problem.gradients.sweep import SweptRows
from bench.problem.passes import Fisher
from bench.problem.problem import Problem
from bench.problem.weights import Masks
from bench.run.case import Case

T = TypeVar("T", Tensor, JoinedRows | SweptRows)


@dataclass
class _Kept:
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


class Shared:
    """The latest results that fit into `limit` bytes together, by what they were asked for."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(kept.size for kept in self._kept.values())

    def find(self, key: Hashable) -> _Kept | None:
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
        self._kept[key] = _Kept(value, tensors, seconds)
        while self.size > self._limit:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all, to make room."""
        self._kept.clear()


def _tensors(value: object) -> list[Tensor] | None:
    """The tensors that a result is made of; None for rows that are produced anew each time."""
    if isinstance(value, Tensor):
        return [value]
    if not isinstance(value, JoinedRows):
        return None
    found = []
    for layer in value.layers:
        if isinstance(layer, DenseRows):
            found.append(layer.matrix)
        elif isinstance(layer, OuterRows):
            found += [layer.outputs, layer.inputs]
        else:
            return None
    return found


@dataclass
class Saving:
    """What one job was spared by results of others: seconds, and bytes that were there already."""

    seconds: float = 0.0
    size: int = 0


class SharedProblem(Problem):
    """A problem at the dense weights whose gradients may come from an earlier job.

    Layer inputs and signals aren't shared: they are far larger than what methods make of them.
    """

    _dense: Dense
    _shared: Shared | None
    _saving: Saving

    @classmethod
    def of(cls, problem: Problem, dense: Dense, shared: Shared, saving: Saving) -> "SharedProblem":
        """The same problem, sharing."""
        made = cls.__new__(cls)
        made.__dict__ |= problem.__dict__
        made._dense, made._shared, made._saving = dense, shared, saving
        return made

    def at(self, weights: dict[str, Tensor], support: Masks) -> Problem:
        """As in `Problem`; at other weights nothing is shared."""
        moved = super().at(weights, support)
        assert isinstance(moved, SharedProblem)
        moved._shared = None
        return moved

    def gradients(
        self,
        samples: int,
        batch: int = 1,
        fisher: Fisher = "empirical",
        layers: Sequence[str] | None = None,
        skip: int = 0,
    ) -> Tensor:
        """As in `Problem`."""

        def compute() -> Tensor:
            return super(SharedProblem, self).gradients(samples, batch, fisher, layers, skip)

        names = tuple(layers or self._prunable)
        return self._reused(("gradients", batch, fisher, names), samples * batch, skip, compute)

    def rows(
        self, samples: int, batch: int = 1, fisher: Fisher = "empirical", skip: int = 0
    ) -> JoinedRows | SweptRows:
        """As in `Problem`."""

        def compute() -> JoinedRows | SweptRows:
            return super(SharedProblem, self).rows(samples, batch, fisher, skip)

        if batch > 1:  # these are views of `gradients`, which are shared
            return compute()
        return self._reused(("rows", fisher), samples, skip, compute)

    def _reused(
        self, request: tuple[Hashable, ...], count: int, skip: int, compute: Callable[[], T]
    ) -> T:
        """The result for `count` examples after the first `skip`, charged as if computed now."""
        if self._shared is None:
            return compute()
        device = self._dense.device
        limits = (self._memory, self._rows_memory)  # both have a say in the order of summation
        key = (self._dense, self._calibration.seed, request, count, skip, limits)
        kept = self._shared.find(key)
        if kept is None:
            synchronise(device)
            start = time.perf_counter()
            value = compute()
            synchronise(device)
            self._shared.keep(key, value, time.perf_counter() - start)
            return value
        self._calibration.chunks(count, count, skip)
        self._meter.charge("backward_passes", count)
        self._stopwatch.add("gradients", kept.seconds)
        self._saving.seconds += kept.seconds
        self._saving.size += kept.size
        found: T = kept.value
        return found


@dataclass
class SharingCase(Case):
    """A one-shot job whose problem shares, until the pruned weights are in its model."""

    shared: Shared | None = None
    saving: Saving = field(default_factory=Saving)

    def install(self, weights: dict[str, Tensor]) -> None:
        """As in `Case`; from then on the model isn't the dense one."""
        self.shared = None
        super().install(weights)

    def problem(self, sparsity: float, support: Masks | None = None) -> Problem:
        """As in `Case`, sharing at the dense weights."""
        problem = super().problem(sparsity, support)
        if self.shared is None or support is not None:
            return problem
        return SharedProblem.of(problem, self.dense, self.shared, self.saving)

    def _add_cost(self, seconds: float, peak_bytes: int | None) -> None:
        """What the method takes alone: what it was spared is added back."""
        if self.saving.seconds:
            self.findings.reused_seconds = self.saving.seconds
        peak = None if peak_bytes is None else peak_bytes + self.saving.size
        super()._add_cost(seconds + self.saving.seconds, peak)
