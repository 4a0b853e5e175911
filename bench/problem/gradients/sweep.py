"""Per-example gradients G [m, d] too large for memory, recomputed by groups of layers.

A block of an inverse needs the gradients of one layer only, and a sum over layers can take them one
after another. So gradients that are too large to keep are recomputed for each sweep over them. A
sweep takes one forward and backward pass per group of layers, and each pass is charged: what counts
is what was computed, not what more memory would have spared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedGradients

GRADIENTS_MEMORY = 8 * 2**30
"""The most bytes of gradients kept at once. The limit decides how many passes a job is charged, so
it is fixed here and no option of the machine. The gradients of ResNet-50 stay below it for up to 84
examples."""

T = TypeVar("T")


def layer_groups(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Split the names, in their order, into groups whose sizes sum to at most `limit` each.

    A layer larger than the limit is a group of its own.
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
    """Gradients that `produce(group)` recomputes, one group of layers at a time, whenever needed.

    `widths` are the numbers of columns of the groups. Each call of `gram`, `times`,
    `transposed_times` or `dense`, and each iteration of `columns`, is one sweep over all groups.
    """

    produce: Callable[[Sequence[str]], JoinedGradients]
    groups: Sequence[Sequence[str]]
    widths: Sequence[int]
    samples: int
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """The pair (m, d)."""
        return self.samples, sum(self.widths)

    def sweep(self, use: Callable[[JoinedGradients], T]) -> list[T]:
        """Return `use(gradients)` of each group in order; one group is in memory at a time."""
        return [use(self.produce(group)) for group in self.groups]

    def split(self, vector: Tensor) -> Iterator[Tensor]:
        """Split a vector [d] into the parts that belong to the groups."""
        return iter(vector.split(list(self.widths)))

    def dense(self) -> Tensor:
        """Return all of G [m, d] at once, for what can't do without it: an exact joint move."""
        return torch.cat(self.sweep(JoinedGradients.dense), dim=1)

    def columns(self, width: int) -> Iterator[Tensor]:
        """Iterate over the columns in double precision, group by group."""
        for group in self.groups:
            yield from self.produce(group).columns(width)

    @property
    def gram_columns(self) -> int:
        """All d of them; more, if passes count."""
        return self.shape[1]

    def gram(self) -> Tensor:
        """Return G Gᵀ [m, m], the sum of the groups' Gram matrices."""
        return torch.stack(self.sweep(JoinedGradients.gram)).sum(0)

    def times(self, vector: Tensor) -> Tensor:
        """Return G v [m], the sum of the groups' products."""
        pieces = self.split(vector)
        return torch.stack(self.sweep(lambda gradients: gradients.times(next(pieces)))).sum(0)

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Return Gᵀ u [d], the groups' products joined in order."""
        return torch.cat(self.sweep(lambda gradients: gradients.transposed_times(vector)))
