"""Per-example gradients G [m, d] that don't fit in memory: produced anew, some layers at a time.

A block of an inverse needs the gradients of one layer only, and a sum over layers can take them one
after another. So gradients that are too large to keep are produced again for each sweep over them.
Every sweep takes a forward and a backward pass for each group of layers, and each is charged: what
was really computed counts, not what would have been enough with more memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedGradients

GRADIENTS_MEMORY = 8 * 2**30
"""Bytes of gradients that are kept at once. A part of what a job costs, so it is no option of a
machine: ResNet-50 stays below it with 84 gradients."""

T = TypeVar("T")


def layer_groups(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """The names in their order, cut so that each group's sizes sum to `limit` at most.

    A layer larger than that is a group of its own.
    """
    groups: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if size > room:
            groups.append([])
            room = limit
        groups[-1].append(name)
        room -= size
    return groups


@dataclass(frozen=True)
class SweptGradients:
    """Gradients that `produce(group)` makes, a group of layers at a time, whenever they are needed.

    `widths` are the columns of each group. `gram`, `columns` and the products are one sweep each.
    """

    produce: Callable[[Sequence[str]], JoinedGradients]
    groups: Sequence[Sequence[str]]
    widths: Sequence[int]
    samples: int
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """m and d."""
        return self.samples, sum(self.widths)

    def sweep(self, use: Callable[[JoinedGradients], T]) -> list[T]:
        """What `use` makes of each group, in order; no two groups are in memory together."""
        return [use(self.produce(group)) for group in self.groups]

    def split(self, vector: Tensor) -> Iterator[Tensor]:
        """The vector [d] cut into those of the groups."""
        return iter(vector.split(list(self.widths)))

    def dense(self) -> Tensor:
        """All of G at once: only for what can't do without, as an exact joint move."""
        return torch.cat(self.sweep(JoinedGradients.dense), dim=1)

    def columns(self, width: int) -> Iterator[Tensor]:
        """Group after group."""
        for group in self.groups:
            yield from self.produce(group).columns(width)

    def gram(self) -> Tensor:
        """The sum over groups."""
        return torch.stack(self.sweep(JoinedGradients.gram)).sum(0)

    def times(self, vector: Tensor) -> Tensor:
        """The sum over groups."""
        pieces = self.split(vector)
        return torch.stack(self.sweep(lambda gradients: gradients.times(next(pieces)))).sum(0)

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Group after group."""
        return torch.cat(self.sweep(lambda gradients: gradients.transposed_times(vector)))
