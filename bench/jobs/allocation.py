"""How a target sparsity is spread over layers: the exact number of weights that each layer loses.

To add an allocation, write a function beside those below, name it in `ALLOCATIONS`, and test it in
`tests/jobs/test_allocation.py`; studies, tables and the command line then accept it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from bench.common.errors import unknown

Shapes = Mapping[str, Sequence[int]]
"""The shape of each prunable weight tensor, by parameter name."""


def layerwise(shapes: Shapes, sparsity: float) -> dict[str, float]:
    """Return how many weights each layer loses if all layers get the same sparsity."""
    return {name: sparsity * math.prod(shape) for name, shape in shapes.items()}


def erk(shapes: Shapes, sparsity: float) -> dict[str, float]:
    """Return how many weights each layer loses under Erdős-Rényi-Kernel (Evci et al. 2020).

    A layer's density is proportional to Σ dimensions / Π dimensions. Layers whose density would
    exceed 1 stay dense, and the others share the rest.
    """
    size = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / size[name] for name, shape in shapes.items()}
    to_keep = (1 - sparsity) * sum(size.values())
    dense: set[str] = set()
    while len(dense) < len(shapes):
        sparse = [name for name in shapes if name not in dense]
        left = to_keep - sum(size[name] for name in dense)
        scale = left / sum(raw[name] * size[name] for name in sparse)
        overfull = {name for name in sparse if scale * raw[name] > 1}
        if not overfull:
            return {n: 0.0 if n in dense else size[n] * (1 - scale * raw[n]) for n in shapes}
        dense |= overfull
    return dict.fromkeys(shapes, 0.0)


ALLOCATIONS: dict[str, Callable[[Shapes, float], dict[str, float]] | None] = {
    "global": None,
    "layerwise": layerwise,
    "erk": erk,
}
"""For each allocation a function from shapes and sparsity to how many weights each layer should
lose, as real numbers; None if one ranking of all weights decides."""


def _known(name: str) -> str:
    if name not in ALLOCATIONS:
        raise ValueError(str(unknown("allocation", name, ALLOCATIONS)))
    return name


Allocation = Annotated[str, AfterValidator(_known)]
"""The name of an allocation."""


def pruned_total(sparsity: float, size: int) -> int:
    """Return how many of `size` weights to remove: round(sparsity × size), halves to even."""
    return round(sparsity * size)


def pruned_counts(allocation: Allocation, shapes: Shapes, sparsity: float) -> dict[str, int] | None:
    """Return how many weights each layer loses, or None if one ranking decides (`global`).

    The counts sum to `pruned_total` exactly: each layer loses the integer part of its share, and
    the remaining weights are taken from the layers with the largest fractional parts, earlier
    layers first.
    """
    spread = ALLOCATIONS[allocation]
    if spread is None:
        return None
    total = pruned_total(sparsity, sum(math.prod(shape) for shape in shapes.values()))
    return _apportion(spread(shapes, sparsity), total)


def _apportion(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Return integers near `shares` that sum to `total`, which is the rounded sum of the shares.

    So the integer parts never sum to more than `total`, and fewer are missing than there are
    layers.
    """
    counts = {name: math.floor(share) for name, share in shares.items()}
    by_fraction = sorted(counts, key=lambda name: counts[name] - shares[name])
    for name in by_fraction[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
