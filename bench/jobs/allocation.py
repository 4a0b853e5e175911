"""How a target sparsity is spread over layers: how many weights each loses, to the unit.

To add an allocation, write a function beside those below, name it in `ALLOCATIONS`, and test it in
`tests/jobs/test_allocation.py`; studies, tables and the command line know it from then on.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from bench.common.errors import unknown

Shapes = Mapping[str, Sequence[int]]
"""The shape of each prunable weight tensor, by parameter name."""


def layerwise(shapes: Shapes, sparsity: float) -> dict[str, float]:
    """The same sparsity in every layer."""
    return {name: sparsity * math.prod(shape) for name, shape in shapes.items()}


def erk(shapes: Shapes, sparsity: float) -> dict[str, float]:
    """Erdős-Rényi-Kernel: density ∝ Σ dimensions / Π dimensions, at most 1 (Evci et al. 2020).

    Layers whose density would pass 1 stay dense and the rest share what is left.
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
"""How many weights each layer should lose, as real numbers; None where one ranking decides."""


def _known(name: str) -> str:
    if name not in ALLOCATIONS:
        raise ValueError(str(unknown("allocation", name, ALLOCATIONS)))
    return name


Allocation = Annotated[str, AfterValidator(_known)]
"""The name of an allocation."""


def pruned_total(sparsity: float, size: int) -> int:
    """The number of weights to remove of `size`: round(sparsity × size), ties to even."""
    return round(sparsity * size)


def pruned_counts(allocation: Allocation, shapes: Shapes, sparsity: float) -> dict[str, int] | None:
    """How many weights each layer loses, or None where the ranking decides (`global`).

    The counts sum to `pruned_total` exactly: each layer gets the whole part of its share, and the
    remaining ones go to the largest fractions, earlier layers first.
    """
    spread = ALLOCATIONS[allocation]
    if spread is None:
        return None
    total = pruned_total(sparsity, sum(math.prod(shape) for shape in shapes.values()))
    return _apportion(spread(shapes, sparsity), total)


def _apportion(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole counts near `shares` that sum to `total`, which is the shares' rounded sum.

    So the whole parts are never too many, and fewer are missing than there are fractions.
    """
    counts = {name: math.floor(share) for name, share in shares.items()}
    by_fraction = sorted(counts, key=lambda name: counts[name] - shares[name])
    for name in by_fraction[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
